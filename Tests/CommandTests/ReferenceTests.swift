import Testing
import WeirCore
import WeirTestKit

/// The written reference is what the declarations say.
@Suite struct ReferenceTests {
    @Test func theReferenceInTheDocumentationIsUpToDate() throws {
        let root = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")
        let document = try runCommand("cat", ["\(root)/Sources/WeirCore/WeirCore.docc/Configuration.md"]).output
        let marker = try #require(document.firstIndex { $0.contains("what `weir reference` prints") })
        let written = Array(document[(marker + 1)...].drop { $0.isEmpty })
        let declared = SettingsReference.markdown().split(separator: "\n", omittingEmptySubsequences: false)
            .map(String.init).dropLast()
        #expect(written == Array(declared), "write what `weir reference` prints below the marker")
    }
}
