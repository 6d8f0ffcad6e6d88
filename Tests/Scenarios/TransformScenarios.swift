import Glibc
import Testing
import WeirTestKit

/// A chain of transforms in a real pipeline: snapshot and stream, into a table and onto the standard output.
@Suite(.tags(.integration), .needsPostgres, .timeLimit(.minutes(3)))
struct TransformScenarios {
    private static let chain = """
        transforms:
          - filter: {table: public.orders, where: {column: status, in: [paid, shipped]}}
          - drop: {table: public.orders, columns: [placed]}
          - rename: {table: public.orders, to: orders_v2, columns: {amount: total}}
          - mask: {columns: [public.customers.email], with: sha256, salt: "${SALT}"}
          - mask: {columns: [public.customers.note], with: null}
          - mask: {columns: [public.customers.name], with: fixed, value: "***"}
        """

    /// What the target has to hold: the same rules in SQL.
    private static let expectedCustomers = """
        SELECT id, '***' AS name, encode(sha256(convert_to('pepper' || email, 'UTF8')), 'hex') AS email,
            NULL::text AS note
        FROM customers
        """

    private func shop() throws -> Shop {
        let shop = try Shop([.postgres, .stdout], extra: Self.chain)
        try shop.source.exec("ALTER TABLE orders REPLICA IDENTITY FULL")
        try shop.target.exec(
            "CREATE TABLE orders_v2 (id bigint PRIMARY KEY, customer bigint, total numeric(12,2), status text)")
        return shop
    }

    @Test func theTargetIsWhatTheStepsMakeOfTheSource() throws {
        let shop = try shop()
        try shop.source.exec(
            """
            INSERT INTO customers VALUES (1, 'Ann', 'ann@example.org', 'secret'), (2, 'Bob', NULL, NULL);
            INSERT INTO orders VALUES (1, 1, 10, 'paid', now()), (2, 1, 20, 'new', now()), (3, 2, 30, 'shipped', now());
            """)
        let weir = try shop.run(environment: ["SALT": "pepper"])
        #expect(eventually { try Shop.rows("orders_v2", shop.target).count == 2 })
        try shop.source.exec(
            """
            UPDATE orders SET status = 'paid' WHERE id = 2;
            UPDATE orders SET status = 'returned' WHERE id = 1;
            UPDATE orders SET amount = 31 WHERE id = 3;
            INSERT INTO orders VALUES (4, 2, 40, 'new', NULL), (5, 2, 50, 'paid', NULL);
            UPDATE orders SET amount = 41 WHERE id = 4;
            DELETE FROM orders WHERE id = 5;
            UPDATE customers SET email = 'bob@example.org' WHERE id = 2;
            INSERT INTO customers VALUES (3, 'Eve', 'eve@example.org', repeat('n', 9000));
            UPDATE customers SET email = 'eve@example.com' WHERE id = 3;
            """)
        #expect(
            eventually {
                try Shop.rows("orders_v2", shop.target) == ["(2,1,20.00,paid)", "(3,2,31.00,shipped)"]
                    && Shop.rows("customers", shop.target) == Shop.rows("(\(Self.expectedCustomers))", shop.source)
            })
        weir.signal(SIGTERM)
        #expect(try weir.waitForExit() == .status(0))
        let printed = weir.outputLines.joined(separator: "\n")
        for secret in ["Ann", "Bob", "Eve", "example", "secret", "nnnn", "pepper", "placed"] {
            #expect(!printed.contains(secret), "\(secret) is on the standard output")
            #expect(!weir.errorLines.contains { $0.contains(secret) }, "\(secret) is in the log")
        }
        let entered = weir.outputLines.filter { $0.contains("\"id\":2,\"customer\":1,\"total\"") }
        #expect(entered.count == 1 && entered[0].contains("\"op\":\"c\""), "a row that comes in is an insert")
    }

    /// Without the old row the filter lets an update bring what it may not have brought before.
    @Test func aFilterOverKeysAloneEndsUpRightInATargetThatInserts() throws {
        let shop = try Shop(
            [.postgres],
            extra: "transforms: [{filter: {table: public.orders, where: {column: status, equals: paid}}}]")
        try shop.source.exec("INSERT INTO orders SELECT i, 1, i, 'new' FROM generate_series(1, 20) i")
        let start = ["run", shop.config, "--set", "sinks[0].missing.rows=insert", "--until-lsn"]
        func catchUp() throws {
            let end = try shop.source.value("SELECT pg_current_wal_insert_lsn()") ?? "0/0"
            let result = try shop.weir(start + [end])
            #expect(result.exit == .status(0), "\(result.errors)")
            let paid = "(SELECT * FROM orders WHERE status = 'paid')"
            #expect(try Shop.rows("orders", shop.target) == Shop.rows(paid, shop.source))
        }
        try catchUp()
        try shop.source.exec("UPDATE orders SET status = 'paid' WHERE id <= 10")
        try catchUp()
        try shop.source.exec(
            """
            UPDATE orders SET status = 'sent' WHERE id <= 3;
            UPDATE orders SET amount = amount + 1;
            UPDATE orders SET id = id + 100 WHERE id IN (4, 15);
            DELETE FROM orders WHERE id IN (5, 16);
            """)
        try catchUp()
        #expect(try Shop.rows("orders", shop.target).count == 6)
    }

    @Test func checkFindsAMaskThatHidesNothingAndAKeyThatWouldBeLost() throws {
        let shop = try shop()
        let fits = try shop.weir(["check", shop.config, "--set", "transforms[3].mask.salt=pepper"])
        #expect(fits.output.contains("ok: transforms: All 6 steps fit the source's tables"), "\(fits.output)")
        let wrong = try shop.weir([
            "check", shop.config, "--set", "transforms[3].mask={columns: [public.customers.emial], with: null}",
            "--set", "transforms[4]={drop: {table: public.customers, columns: [id]}}",
        ])
        #expect(wrong.exit == .status(1))
        #expect(
            wrong.output.contains { $0.hasPrefix("warning: transforms[3]: The column pattern public.customers.emial") })
        #expect(wrong.output.contains { $0.hasPrefix("error: transforms[4] table public.customers: ") })
    }

    @Test func aConditionThatCannotBeToldStopsThePipelineAndLosesNothing() throws {
        let shop = try Shop(
            [.postgres], extra: "transforms: [{filter: {table: public.customers, where: {column: note, prefix: n}}}]")
        let large = "(SELECT 'n' || string_agg(md5(i::text), '') FROM generate_series(1, 500) i)"
        try shop.source.exec("INSERT INTO customers VALUES (1, 'Ann', NULL, \(large))")
        let weir = try shop.run()
        #expect(eventually { try Shop.rows("customers", shop.target).count == 1 })
        try shop.source.exec("INSERT INTO customers VALUES (2, 'Bob', NULL, 'n')")
        try shop.source.exec("UPDATE customers SET name = 'Anne' WHERE id = 1")
        try shop.source.exec("INSERT INTO customers VALUES (3, 'Eve', NULL, 'n')")
        #expect(try weir.waitForExit() == .status(1))
        let error = weir.errorLines.joined(separator: "\n")
        #expect(error.contains("note") && error.contains("REPLICA IDENTITY FULL") && !error.contains("Anne"))
        #expect(try Shop.rows("customers", shop.target).count == 2, "what was committed before it is there")
        // Another condition that can be told gets past it.
        try shop.source.exec("ALTER TABLE customers REPLICA IDENTITY FULL")
        let end = try shop.source.value("SELECT pg_current_wal_insert_lsn()") ?? "0/0"
        let second = try shop.weir([
            "run", shop.config, "--until-lsn", end, "--set",
            "transforms=[{filter: {table: public.customers, where: {column: id, above: '0'}}}]",
        ])
        #expect(second.exit == .status(0), "\(second.errors)")
        #expect(try shop.differences(["customers"]) == [])
    }
}
