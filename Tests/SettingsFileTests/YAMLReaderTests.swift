import Testing
import WeirCore

@testable import SettingsFile

private func lines(_ problems: [SettingsProblem]) -> [String] {
    problems.map { $0.description(file: "f") }
}

private func load(
    _ text: String, _ variables: [String: String] = [:], set: [String] = []
) throws -> (tree: SettingsNode, problems: [String]) {
    let overrides = try set.map { try SettingsOverride(parsing: $0) }
    let loader = SettingsLoader { variables[$0] }
    let (tree, problems) = loader.load(text: Array(text.utf8), overrides: overrides)
    return (tree, lines(problems))
}

@Suite struct YAMLReaderTests {
    @Test func keepsOrderTextAndMarks() throws {
        let (tree, problems) = try load("b: 0x10\na:\n  - yes\n  - 'null'\n  -\n")
        #expect(problems.isEmpty)
        guard case .mapping(let entries) = tree.content else {
            Issue.record("expected a map")
            return
        }
        #expect(entries.map(\.key) == ["b", "a"])
        #expect(entries[0].value.text == "0x10")
        #expect(entries[0].value.mark == .file(line: 1, column: 4))
        guard case .sequence(let items) = entries[1].value.content else {
            Issue.record("expected a list")
            return
        }
        #expect(items.map(\.content) == [.scalar("yes"), .scalar("null"), .null])
        #expect(items[1].mark == .file(line: 4, column: 5))
    }

    @Test(arguments: ["", "# only a comment\n", "---\n"])
    func emptyFileIsAnEmptyMap(text: String) throws {
        let (tree, problems) = try load(text)
        #expect(problems.isEmpty)
        #expect(tree.content == .mapping([]) || tree.content == .null)
    }

    @Test(arguments: [
        ("a: 1\na: 2\n", "f:2:1: a: the key is written twice, first in line 1"),
        ("a:\n  b: 1\n  c: 1\n  b: 2\n", "f:4:3: a.b: the key is written twice, first in line 2"),
        ("a: !!int 3\n", "f:1:4: a: tags such as tag:yaml.org,2002:int are not supported; remove the tag"),
        (
            "a: 1\n---\nb: 1\n",
            "f:3:1: a second document begins here; a configuration is one document: remove the \"---\" line"
        ),
        ("[a]: 1\n", "f:1:1: a key must be a text that is not empty"),
        ("a: [1, 2\nb: 3\n", "f:2:2: not valid YAML: while parsing a flow sequence, did not find expected ',' or ']'"),
        ("a: \"x\n", "f:2:1: not valid YAML: while scanning a quoted scalar, found unexpected end of stream"),
        ("a: b\n  c: d", "f:2:4: not valid YAML: mapping values are not allowed in this context"),
        ("a: *b\n", "f:1:4: not valid YAML: found undefined alias"),
    ])
    func namesThePlaceOfAFault(text: String, problem: String) throws {
        #expect(try load(text).problems == [problem])
    }

    @Test func aliasesAreCopied() throws {
        let (tree, problems) = try load("a: &x {k: 1}\nb: *x\n")
        #expect(problems.isEmpty)
        #expect(tree["b"]?["k"]?.text == "1")
    }

    @Test func billionLaughsStopsAtTheBound() throws {
        var text = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
        for level in 1...9 {
            text +=
                "a\(level): &a\(level) [" + Array(repeating: "*a\(level - 1)", count: 9).joined(separator: ",") + "]\n"
        }
        let problems = try load(text).problems
        #expect(problems.count == 1)
        #expect(problems.first?.contains("more than 50000 values once its aliases are expanded") == true)
    }

    @Test func anAliasOfItselfStopsAtTheBound() throws {
        let problems = try load("a: &a [*a]\n").problems
        #expect(problems.count == 1)
        #expect(problems.first?.hasSuffix("more than 32 maps and lists inside each other") == true)
    }

    @Test func deepNestingStopsAtTheBound() throws {
        let problems = try load(String(repeating: "[", count: 5_000) + String(repeating: "]", count: 5_000)).problems
        #expect(problems.count == 1)
    }

    /// libyaml alone takes half a minute for these.
    @Test(.timeLimit(.minutes(1)), arguments: ["[", "{", "[{", "- [", "- ", "? ", "&a ["])
    func hostileNestingIsRefusedAtOnce(opening: String) {
        let start = ContinuousClock.now
        let (_, problems) = YAMLReader.read(Array(String(repeating: opening, count: 200_000 / opening.count).utf8))
        #expect(problems.count == 1)
        #expect(ContinuousClock.now - start < .seconds(10))
    }

    @Test func anAddressInBracketsIsAText() throws {
        let (tree, problems) = try load("a: 1\n", set: ["http.listen=[::1]:8070", "c={x}y"])
        #expect(problems.isEmpty)
        #expect(tree["http"]?["listen"]?.text == "[::1]:8070")
        #expect(tree["c"]?.text == "{x}y")
    }

    @Test func tooManyBytesAreRefused() throws {
        let (_, problems) = YAMLReader.read([UInt8](repeating: UInt8(ascii: "#"), count: (1 << 20) + 1))
        #expect(lines(problems) == ["f: the file has 1048577 bytes, more than the 1048576 a configuration may have"])
    }

    @Test(arguments: [[0xFF, 0xFE, 0x61], [0x61, 0x3A, 0x20, 0x00], [0x61, 0x3A, 0x20, 0xC3]] as [[UInt8]])
    func bytesThatAreNotTextAreRefused(bytes: [UInt8]) {
        let (_, problems) = YAMLReader.read(bytes)
        #expect(problems.count == 1)
        #expect(problems.first?.message.hasPrefix("not valid YAML") == true)
    }

    @Test func byteOrderMarkIsSkipped() {
        let (tree, problems) = YAMLReader.read([0xEF, 0xBB, 0xBF] + Array("a: 1".utf8))
        #expect(problems.isEmpty)
        #expect(tree?["a"]?.text == "1")
    }

    @Test func everyPrefixOfAFileIsAnswered() {
        let text = Array("a: &x [1, {b: \"c\\x41\", d: |\n  text\n  more\n}]\ne: *x\n? k\n: v\n".utf8)
        for length in 0...text.count {
            let (tree, problems) = YAMLReader.read(Array(text[..<length]))
            #expect(tree != nil || !problems.isEmpty)
        }
    }
}

@Suite struct EnvironmentTests {
    @Test func replacesVariablesInValues() throws {
        let (tree, problems) = try load("a: x${A}y${B}\nb: $$A and $${A} for $5\n", ["A": "1", "B": "two"])
        #expect(problems.isEmpty)
        #expect(tree["a"]?.text == "x1ytwo")
        #expect(tree["a"]?.isSubstituted == true)
        #expect(tree["b"]?.text == "$A and ${A} for $5")
        #expect(tree["b"]?.isSubstituted == false)
    }

    @Test func aValueIsNeverReadAsYAMLOrAgain() throws {
        let (tree, problems) = try load("a: ${A}\nb: ${B}\n", ["A": "[1, 2]\nc: d", "B": "${A}"])
        #expect(problems.isEmpty)
        #expect(tree["a"]?.text == "[1, 2]\nc: d")
        #expect(tree["b"]?.text == "${A}")
        #expect(tree["c"] == nil)
    }

    @Test func everyMissingVariableIsNamed() throws {
        let (_, problems) = try load("a: ${GONE}\nb:\n  - ok\n  - ${1X}\nc: ${OPEN\n")
        #expect(
            problems == [
                "f:1:4: a: the environment variable GONE is not set; export GONE, or write $$ for a plain dollar sign",
                "f:4:5: b[1]: \"${1X}\" does not name a variable; "
                    + "a name has letters, digits and \"_\"; write $$ for a plain dollar sign",
                "f:5:4: c: \"${\" is not closed; write $$ for a plain dollar sign",
            ])
    }
}

@Suite struct OverrideTests {
    private let file = "a: {b: 1}\nlist:\n  - {t: x}\nprops: {compression.type: none}\n"

    @Test func setsAndAddsValues() throws {
        let (tree, problems) = try load(
            file,
            set: [
                "a.b=2", "a.new.deep=3", "list[0].t=y=z", "list[1].t=w", "props.compression.type=lz4",
                "props.\"linger.ms\"=5", "flow=[p, q]", "empty=",
            ])
        #expect(problems.isEmpty)
        #expect(tree["a"]?["b"]?.text == "2")
        #expect(tree["a"]?["b"]?.mark == .commandLine)
        #expect(tree["a"]?["new"]?["deep"]?.text == "3")
        guard case .sequence(let list)? = tree["list"]?.content, case .sequence(let flow)? = tree["flow"]?.content
        else {
            Issue.record("expected lists")
            return
        }
        #expect(list.map { $0["t"]?.text } == ["y=z", "w"])
        #expect(tree["props"]?["compression.type"]?.text == "lz4")
        #expect(tree["props"]?["linger.ms"]?.text == "5")
        #expect(flow.map(\.text) == ["p", "q"])
        #expect(tree["empty"]?.content == .null)
    }

    @Test func wrongWaysAreProblems() throws {
        let (_, problems) = try load(file, set: ["list[7].t=x", "a.b.c=1", "a[0]=1"])
        #expect(
            problems == [
                "--set: list[7].t: there is no [7]: the list has 1 entries",
                "--set: a.b.c: cannot set \"c\" in a value",
                "--set: a[0]: cannot set [0] in a map",
            ])
    }

    @Test(arguments: [
        ("novalue", "--set needs key.path=value, such as sinks[0].topic=orders"),
        ("a..b=1", "--set a..b: a key is empty"),
        ("a[x]=1", "--set a[x]: a list place is a number in brackets, such as [0]"),
        (
            "a[99999999999999999999]=1",
            "--set a[99999999999999999999]: a list place is a number in brackets, such as [0]"
        ),
        ("a]=1", "--set a]: expected \".\" or \"[\" before \"]\""),
        (
            "a=[1",
            "--set a: the value's brackets are not a list or map: not valid YAML: "
                + "while parsing a flow sequence, did not find expected ',' or ']'"
        ),
    ])
    func unreadableArgumentsAreRefused(argument: String, reason: String) {
        #expect(throws: SettingsOverrideError(reason: reason)) { try SettingsOverride(parsing: argument) }
    }
}
