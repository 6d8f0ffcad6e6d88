import Testing

@testable import weir

@Suite struct CommandParserTests {
    @Test func optionsAndArgumentsInAnyOrder() throws {
        let parsed = try CommandParser.parse([
            "--log-level", "debug", "backfill", "shop.yaml", "-t", "a.*", "--table=!a.b", "--set",
            "a=b=c", "--set", "d[0]=e", "--json",
        ])
        #expect(parsed.name == .backfill)
        #expect(parsed.arguments == ["shop.yaml"])
        #expect(parsed.options["table"] == ["a.*", "!a.b"])
        #expect(parsed.options["set"] == ["a=b=c", "d[0]=e"])
        #expect(parsed.value("log-level") == "debug")
        #expect(parsed.has("json") && !parsed.has("help"))
    }

    @Test func commandsOfTwoWords() throws {
        let parsed = try CommandParser.parse(["slot", "drop", "--slot", "x", "postgresql://h/db"])
        #expect(parsed.name == .slotDrop)
        #expect(parsed.arguments == ["postgresql://h/db"])
    }

    @Test func afterTwoHyphensEverythingIsAnArgument() throws {
        #expect(try CommandParser.parse(["run", "--", "--odd.yaml"]).arguments == ["--odd.yaml"])
    }

    @Test(
        arguments: [
            (["--help"], []), (["-h"], []), (["run", "--help"], ["run"]), (["--help", "run"], ["run"]),
            (["help", "slot", "drop"], ["slot", "drop"]), (["slot", "--help"], ["slot"]),
            (["slot", "drop", "-h"], ["slot", "drop"]), (["run", "a", "b", "c", "--help"], ["run"]),
        ] as [([String], [String])])
    func helpIsFoundEverywhere(arguments: [String], words: [String]) throws {
        let parsed = try CommandParser.parse(arguments)
        #expect(parsed.name == .help && !parsed.wantsVersion)
        #expect(parsed.arguments == words)
    }

    @Test(
        arguments: [
            ([], "a command is missing"),
            (["rnu"], "unknown command \"rnu\"; did you mean \"run\"?"),
            (
                ["zzz"],
                "unknown command \"zzz\"; commands are backfill, check, completions, help, import, replay, run, slot, "
                    + "status, tail"
            ),
            (["slot"], "slot needs one of list, drop"),
            (["slot", "dorp"], "unknown command \"slot dorp\"; did you mean \"slot drop\"?"),
            (["slot", "--json"], "slot needs one of list, drop"),
            (["run", "a", "b"], "unexpected argument \"b\""),
            (["completions"], "SHELL is missing"),
            (["completions", "tcsh"], "SHELL \"tcsh\" is not one of bash, zsh, fish"),
            (["run", "--untl-lsn=x"], "unknown option --untl-lsn for \"run\"; did you mean --until-lsn?"),
            (["run", "--zzzzzzzz"], "unknown option --zzzzzzzz for \"run\""),
            (["run", "-q"], "unknown option -q for \"run\""),
            (["run", "--until-lsn"], "--until-lsn needs a value LSN"),
            (["backfill", "-t"], "--table needs a value PATTERN"),
            (["run", "--log"], "--log may be any of --log-format, --log-level"),
            (["status", "--watch=1"], "--watch takes no value"),
            (["--log-level", "loud", "run"], "--log-level \"loud\" is not one of debug, info, warning, error"),
            (["run", "--until-lsn", "1/2", "--until-lsn", "1/3"], "--until-lsn is given twice"),
            (["tail", "x", "postgresql://u:canary@h/db"], "unexpected argument \"postgresql://u:***@h/db\""),
            (["a\0b"], "an argument holds a NUL character"),
        ] as [([String], String)])
    func wrongUsageIsNamed(arguments: [String], message: String) throws {
        let error = #expect(throws: UsageError.self) { try CommandParser.parse(arguments) }
        #expect(error?.message == message)
    }

    @Test func parsingFromManyThreadsIsSafe() async {
        await withTaskGroup(of: Bool.self) { group in
            for index in 0..<50 {
                group.addTask {
                    (try? CommandParser.parse(["run", "--until-lsn", "\(index)"]))?.value("until-lsn") == "\(index)"
                }
            }
            for await isRight in group { #expect(isRight) }
        }
    }
}

@Suite struct HelpTests {
    @Test func overviewNamesEveryCommandOnce() {
        let text = HelpText.overview()
        for spec in CommandTable.commands where !spec.isHidden {
            #expect(text.contains("  \(spec.name.rawValue)  "))
        }
        #expect(!text.contains("reference"))
        #expect(text.contains("Exit codes: 0 done, 1 failed at work, 2 wrong usage or configuration."))
    }

    @Test(arguments: CommandName.allCases) func everyCommandHasHelpThatFitsTheTerminal(name: CommandName) {
        let spec = CommandTable.spec(name)
        #expect(spec.name == name)
        let text = HelpText.command(spec)
        #expect(text.hasPrefix("\(spec.summary).\n\nUsage: weir \(name.rawValue)"))
        for option in spec.allOptions { #expect(text.contains("--\(option.name)")) }
        #expect(spec.isHidden || name == .help || !spec.examples.isEmpty)
        for line in text.split(separator: "\n") where !line.hasPrefix("  weir ") {
            #expect(line.count <= 79, "\(line)")
        }
    }

    @Test func aCommandsHelpReadsWell() {
        let expected = """
            List the server's replication slots.

            Usage: weir slot list [OPTIONS] [URL|CONFIG]

            Options:
                  --set KEY=VALUE     Override one setting, such as sinks[0].topic=orders;
                                      a value in brackets is a list or map. May be given
                                      several times.
                  --json              Write JSON for programs to the standard output.
                  --log-format FORMAT
                                      How log lines look on the standard error (default:
                                      text). One of text, json.
                  --log-level LEVEL   The least log level that is shown (default: info).
                                      One of debug, info, warning, error.
              -h, --help              Show this help and exit.

            Examples:
              weir slot list postgresql://weir@127.0.0.1/shop
                  every slot with what it holds back

            """
        #expect(HelpText.command(CommandTable.spec(.slotList)) == expected)
    }

    @Test func examplesAreCommandLinesThatParse() throws {
        for spec in CommandTable.commands {
            for example in spec.examples {
                let line = example.command.prefix { $0 != "|" && $0 != ">" }
                let words = line.split(separator: " ").dropFirst().map { String($0).replacing("'", with: "") }
                #expect(try CommandParser.parse(words).name == spec.name)
            }
        }
    }
}
