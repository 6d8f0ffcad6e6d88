import Testing
import WeirCore
import WeirTestKit

@testable import PostgresSink

@Suite("Apply", .tags(.integration), .needsPostgres)
struct ApplyTests {
    @Test func insertsUpdatesAndDeletesByPrimaryKey() throws {
        let target = try Target("CREATE TABLE t (id int PRIMARY KEY, a text, b numeric(10,2))")
        let t = try target.relation("t")
        let driver = try SinkDriver(target.settings)
        try driver.write(
            transaction(100) { batch in
                batch.insert(t, ["1", "one", "1.50"])
                batch.insert(t, ["2", nil, "2.50"])
                batch.insert(t, ["3", "", nil])
            })
        try driver.write(
            transaction(200) { batch in
                batch.update(t, ["1", "uno", "1.50"])
                batch.update(t, ["20", "two", "2.50"], key: ["2", nil, nil])
                batch.delete(t, key: ["3", nil, nil])
            })
        #expect(try target.rows("SELECT * FROM t ORDER BY id") == ["1|uno|1.50", "20|two|2.50"])
        #expect(try target.position == "0/D0")
        #expect(driver.confirmed == LSN(208))
        #expect(driver.durable == 2)
    }

    @Test func swapsKeysInsideATransaction() throws {
        let target = try Target("CREATE TABLE t (id int PRIMARY KEY, a text UNIQUE)")
        let t = try target.relation("t")
        let driver = try SinkDriver(target.settings)
        try driver.write(
            transactions([
                (
                    100,
                    {
                        $0.insert(t, ["1", "a"])
                        $0.insert(t, ["2", "b"])
                    }
                ),
                (
                    200,
                    {
                        $0.update(t, ["-1", "a"], key: ["1", nil])
                        $0.update(t, ["1", "b"], key: ["2", nil])
                        $0.update(t, ["2", "a"], key: ["-1", nil])
                        $0.delete(t, key: ["1", nil])
                        $0.insert(t, ["1", "c"])
                        $0.delete(t, key: ["1", nil])
                        $0.insert(t, ["1", "d"])
                    }
                ),
            ]))
        #expect(try target.rows("SELECT * FROM t ORDER BY id") == ["1|d", "2|a"])
    }
}
