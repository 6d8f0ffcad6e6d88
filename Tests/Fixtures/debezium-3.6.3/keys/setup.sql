create schema zoo;
create table zoo.full_nopk(a int, b text); alter table zoo.full_nopk replica identity full;
create table zoo.full_pk(id int primary key, b text not null, c text default 'x'); alter table zoo.full_pk replica identity full; alter table zoo.full_pk alter b set storage external;
create table zoo.by_index(id int primary key, a int not null, t text, constraint by_index_a unique (a)); alter table zoo.by_index replica identity using index by_index_a;
create table zoo.index_only(a int not null, b int not null, t text, constraint index_only_ab unique (b, a)); alter table zoo.index_only replica identity using index index_only_ab;
create table zoo.toasted_key(k text primary key, n int, t text); alter table zoo.toasted_key alter k set storage external;
create table zoo.pair_key(a int, b text, n int not null default 3, primary key (b, a));
create table zoo.parent(id int, d date, t text, primary key (id, d)) partition by range (d);
create table zoo.part_2020 partition of zoo.parent for values from ('2020-01-01') to ('2021-01-01');
