import Foundation
import Testing
import WeirTestKit

/// What `Tests/run.sh --help` says of the comparison with Debezium is what it takes.
@Suite(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/python3")))
struct DifferentialOptionsTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    private func check(_ options: [String]) throws -> ProcessExit {
        let script = Self.root.appending(path: "Tests/Debezium/options.py").path
        return try runCommand("/usr/bin/python3", [script] + options).exit
    }

    @Test func theOptionsOfTheUsageAreTaken() throws {
        let text = try String(contentsOf: Self.root.appending(path: "Tests/run.sh"), encoding: .utf8)
        let usages = text.split(separator: "\n").filter { $0.hasPrefix("       Tests/run.sh --debezium") }
        #expect(usages.count == 2)
        for usage in usages {
            let words = usage.split { " []".contains($0) }.map(String.init)
            // A number for each `N` and `S`.
            let options = words.drop { $0 != "--debezium" }.dropFirst().map { $0.count == 1 ? "3" : $0 }
            #expect(options.count >= 3)
            #expect(try check(options) == .status(0), "\(options)")
            #expect(try check(options + ["--other"]) == .status(2))
        }
        for wrong in [["--takeover", "--cuts", "0"], ["--cuts", "1"], ["--cases", "x"]] {
            #expect(try check(wrong) == .status(2), "\(wrong)")
        }
    }
}
