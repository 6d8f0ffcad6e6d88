import Foundation
import Testing
import WeirTestKit

/// The house rules on who may know whom, read from the package's description and from the sources' imports.
@Suite("Architecture", .timeLimit(.minutes(2)))
struct ArchitectureTests {
    private struct Package: Decodable {
        var targets: [Target]
    }

    private struct Target: Decodable {
        var name: String
        var type: String
        var path: String
        var sources: [String]
        var dependencies: [String]?

        enum CodingKeys: String, CodingKey {
            case name, type, path, sources
            case dependencies = "target_dependencies"
        }

        var isConnector: Bool { path.hasPrefix("connectors/") }
        var isTest: Bool { type == "test" || name == "WeirTestKit" }
        var knows: Set<String> { Set(dependencies ?? []) }
    }

    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path(percentEncoded: false)

    private let targets: [Target]

    init() throws {
        // A scratch folder of its own: the package's is locked while its tests are built.
        let scratch = try TemporaryDirectory()
        let result = try runCommand(
            "swift", ["package", "--scratch-path", scratch.path, "describe", "--type", "json"], in: Self.root)
        try #require(result.exit == .status(0), "\(result.errors.joined(separator: "\n"))")
        targets = try JSONDecoder().decode(Package.self, from: Data(result.output.joined(separator: "\n").utf8)).targets
        try #require(targets.contains { $0.isConnector } && targets.contains { $0.name == "WeirCore" })
    }

    @Test func theCoreAndTheDecoderKnowNobody() throws {
        for name in ["WeirCore", "PgOutput"] {
            let target = try #require(targets.first { $0.name == name })
            #expect(target.knows == [], "\(name) may depend on nothing")
        }
    }

    @Test func aConnectorKnowsTheCoreAndItsLibrary() {
        let libraries = targets.filter { $0.name.hasPrefix("Lib") || $0.type == "system-target" }.map(\.name)
        let allowed = Set(libraries).union(["WeirCore", "PgOutput"])
        for connector in targets where connector.isConnector {
            #expect(connector.knows.contains("WeirCore"))
            #expect(connector.knows.subtracting(allowed) == [], "\(connector.name) knows too much")
        }
    }

    @Test func onlyTheExecutableKnowsConnectors() {
        let connectors = Set(targets.filter(\.isConnector).map(\.name))
        for target in targets where !target.isTest && target.name != "weir" {
            #expect(target.knows.isDisjoint(with: connectors), "\(target.name) may know no connector")
        }
    }

    @Test func noShippedModuleKnowsTheTestKit() {
        for target in targets where !target.isTest {
            #expect(!target.knows.contains("WeirTestKit"), "\(target.name) ships")
        }
    }

    @Test func anOwnerOfACLibraryKnowsOneOnly() {
        let systems = Set(targets.filter { $0.type == "system-target" }.map(\.name))
        for target in targets where !target.isTest && target.type == "library" {
            #expect(target.knows.intersection(systems).count <= 1, "\(target.name) owns more than one C library")
        }
    }

    /// The compiler takes an import of any module that happens to be built already, declared or not.
    @Test func sourcesImportOnlyWhatTheirTargetDeclares() throws {
        let own = Set(targets.map(\.name))
        for target in targets where target.type != "system-target" {
            for source in target.sources where source.hasSuffix(".swift") {
                let imported = try imports(of: "\(Self.root)/\(target.path)/\(source)")
                let undeclared = imported.intersection(own).subtracting(target.knows)
                #expect(undeclared == [], "\(target.path)/\(source) imports what its target does not declare")
            }
        }
    }

    @Test func theCoreAndTheDecoderStayFreeOfFoundation() throws {
        for target in targets where ["WeirCore", "PgOutput"].contains(target.name) {
            for source in target.sources {
                let imported = try imports(of: "\(Self.root)/\(target.path)/\(source)")
                #expect(!imported.contains("Foundation"), "\(target.path)/\(source)")
            }
        }
    }

    /// The modules that a file imports: `public import struct A.B` is an import of A.
    private func imports(of path: String) throws -> Set<String> {
        let kinds: Set<Substring> = ["struct", "class", "enum", "protocol", "func", "var", "let", "typealias"]
        let modules = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").compactMap { line in
            let words = line.split(separator: " ")
            guard let keyword = words.firstIndex(of: "import"), keyword <= 2, !line.hasPrefix("//") else {
                return String?.none
            }
            let name = words[(keyword + 1)...].first { !kinds.contains($0) }
            return name?.split(separator: ".").first.map(String.init)
        }
        return Set(modules)
    }
}
