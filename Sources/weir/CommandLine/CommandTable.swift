/// The one declaration of the command line: parser, help and completions are made from it.
enum CommandTable {
    static let summary =
        "Carries every committed change of a PostgreSQL database to Kafka or to another database."

    /// Options every command takes.
    static let common: [OptionSpec] = [
        OptionSpec(
            name: "log-format", value: "FORMAT", choices: ["text", "json"],
            doc: "How log lines look on the standard error (default: text)."),
        OptionSpec(
            name: "log-level", value: "LEVEL", choices: ["debug", "info", "warning", "error"],
            doc: "The least log level that is shown (default: info)."),
        OptionSpec(name: "help", short: "h", doc: "Show this help and exit."),
    ]

    /// Options in front of a command.
    static let global: [OptionSpec] =
        common + [
            OptionSpec(name: "version", short: "V", doc: "Show the version and exit.")
        ]

    private static let set = OptionSpec(
        name: "set", value: "KEY=VALUE", repeats: true,
        doc: "Override one setting, such as sinks[0].topic=orders; a value in brackets is a list or map.")
    private static let table = OptionSpec(
        name: "table", short: "t", value: "PATTERN", repeats: true,
        doc: "Tables to take, such as 'public.*' or '!public.audit_*'; the last match wins.")
    private static let json = OptionSpec(name: "json", doc: "Write JSON for programs to the standard output.")
    private static let configuration = ArgumentSpec(name: "CONFIG")
    private static let place = ArgumentSpec(name: "URL|CONFIG")

    static let commands: [CommandSpec] = [
        run, backfill, replay, check, status, tail, slotList, slotDrop, importDebezium, completions, reference, help,
    ]

    static func spec(_ name: CommandName) -> CommandSpec {
        commands.first { $0.name == name } ?? help
    }

    private static let run = CommandSpec(
        name: .run, summary: "Stream changes until stopped", arguments: [configuration],
        options: [
            set,
            OptionSpec(
                name: "until-lsn", value: "LSN",
                doc: "Stop, drained and confirmed, after the first commit at or past this position."),
        ],
        notes: [
            "Takes a consistent snapshot first when there is no position yet (source.snapshot). CONFIG defaults to "
                + "weir.yaml.",
            "SIGTERM, SIGINT and SIGHUP drain: the transaction at hand is finished, sinks are flushed, "
                + "positions confirmed, "
                + "exit code 0. A second one stops at once (143, 130 or 129); what was not durable comes again "
                + "after the "
                + "next start.",
        ],
        examples: [
            ("weir run", "run what weir.yaml describes"),
            ("weir run shop.yaml --set source.snapshot=never", "without the initial snapshot"),
            ("weir run --until-lsn 0/16B3748", "catch up to a position and exit"),
        ])

    private static let backfill = CommandSpec(
        name: .backfill, summary: "Copy the current rows of tables, then exit", arguments: [configuration],
        options: [
            set, table,
            OptionSpec(
                name: "workers", value: "N",
                doc: "Connections that read at the same time, 1 to 64 (default: 4). With 1, rows come in the order "
                    + "of the table."),
            json,
        ],
        notes: [
            "All tables are read under one snapshot, large ones in parts side by side (PostgreSQL 14 and newer). A "
                + "backfill that was interrupted goes on with the tables "
                + "that were not "
                + "finished. It leaves no slot and no publication behind and does not touch the positions of "
                + "\"weir run\"."
        ],
        examples: [
            ("weir backfill --table public.orders", "copy one table to the configuration's sinks"),
            ("weir backfill shop.yaml --workers 8", "copy everything, with eight connections to the source"),
            ("weir backfill shop.yaml --table 'public.*' --json", "copy a schema, progress for a program"),
        ])

    private static let replay = CommandSpec(
        name: .replay, summary: "Read recorded changes again, from a Kafka topic", arguments: [configuration],
        options: [
            set,
            OptionSpec(
                name: "from", value: "POS",
                doc: "Where to begin: earliest, an RFC 3339 time, or PARTITION=OFFSET[,...]. Without it: where "
                    + "the last "
                    + "replay stopped, else earliest."),
            OptionSpec(
                name: "to", value: "POS",
                doc: "Where to end, exclusively (default: the ends of the topics now)."),
            OptionSpec(name: "dry-run", doc: "Read and count, write nothing."),
            json,
        ],
        notes: [
            "The configuration's source has the type kafka; its topics hold events that Weir or Debezium wrote.",
            "A target database is brought to what the events say, whatever it held: changes that it has already are "
                + "applied again without harm (sinks[].apply).",
        ],
        examples: [
            ("weir replay restore.yaml --from earliest", "apply a whole topic to the configuration's sinks"),
            ("weir replay restore.yaml --from 2026-11-01T00:00:00Z --dry-run", "count what came since then"),
        ])

    private static let check = CommandSpec(
        name: .check, summary: "Look for what would go wrong, with remedies", arguments: [configuration],
        options: [set, json],
        notes: [
            "One finding a line, each with its remedy; changes nothing. Exit code 0 when nothing stands in the "
                + "way, 1 when "
                + "something does, 2 when the configuration itself is wrong."
        ],
        examples: [("weir check shop.yaml", "before the first run, and after a change of configuration")])

    private static let status = CommandSpec(
        name: .status, summary: "Show positions, lag and the slot's health", arguments: [configuration],
        options: [
            set,
            OptionSpec(name: "watch", doc: "Show it again every two seconds until interrupted."),
            json,
        ],
        examples: [
            ("weir status", "once"), ("weir status --watch", "until Ctrl-C"),
            ("weir status --json", "one JSON object"),
        ])

    private static let tail = CommandSpec(
        name: .tail, summary: "Print changes as they are committed",
        arguments: [place],
        options: [
            set, table,
            OptionSpec(
                name: "format", value: "FORMAT", choices: ["debezium", "flat"],
                doc: "The form of the events (default: flat)."),
            OptionSpec(name: "limit", short: "n", value: "N", doc: "Stop after this many changes."),
        ],
        notes: [
            "Uses a temporary slot, which ends with the connection, and a publication that is dropped at the "
                + "end; nothing "
                + "stays behind. One JSON object a line on the standard output."
        ],
        examples: [
            ("weir tail postgresql://weir@127.0.0.1/shop --table public.orders", "watch one table"),
            ("weir tail shop.yaml -n 10 | jq .", "ten changes of a configuration's tables"),
        ])

    private static let slotList = CommandSpec(
        name: .slotList, summary: "List the server's replication slots", arguments: [place], options: [set, json],
        examples: [("weir slot list postgresql://weir@127.0.0.1/shop", "every slot with what it holds back")])

    private static let slotDrop = CommandSpec(
        name: .slotDrop, summary: "Drop a replication slot for good", arguments: [place],
        options: [
            set,
            OptionSpec(
                name: "slot", value: "NAME",
                doc: "The slot to drop; without it the configuration's own, and then its positions in the state "
                    + "file too."),
        ],
        notes: [
            "The server forgets the slot's position and removes the WAL it held back. The next \"weir run\" "
                + "begins anew. A "
                + "slot that is in use is not dropped."
        ],
        examples: [
            ("weir slot drop shop.yaml", "the pipeline's slot and its stored positions"),
            ("weir slot drop postgresql://weir@127.0.0.1/shop --slot old", "any slot of a server"),
        ])

    private static let importDebezium = CommandSpec(
        name: .importDebezium, summary: "Take over from a Debezium connector",
        arguments: [ArgumentSpec(name: "FILE", isOptional: false)],
        options: [
            OptionSpec(
                name: "offsets", value: "FILE",
                doc: "The connector's stored offset: Kafka Connect's offset.storage.file.filename, or records of its "
                    + "offsets topic, key and value, as text."),
            OptionSpec(
                name: "output", value: "FILE", doc: "Write the configuration there instead of the standard output."),
            OptionSpec(
                name: "state", value: "DIR",
                doc: "Folder of the state that gets the position (state.path; default: ./weir-state)."),
            OptionSpec(
                name: "force",
                doc: "Go on in spite of errors; replace a file and a position that are there already."),
            json,
        ],
        notes: [
            "FILE is a connector's JSON for Kafka Connect, or a .properties file of Debezium's engine or of Debezium "
                + "Server. The configuration it becomes says for each property what became of it; what Weir does "
                + "otherwise is a finding on the standard error. Secrets become references.",
            "With --offsets the position is stored too: \"weir run\" goes on in the same slot behind the last change "
                + "that Debezium delivered, without a snapshot. Stop Debezium first.",
            "Exit code 1 when a property changes events and Weir cannot do the same: the configuration is written all "
                + "the same, but no position. 2 when a file cannot be read.",
        ],
        examples: [
            ("weir import debezium connector.json > weir.yaml", "see what becomes of a connector"),
            (
                "weir import debezium application.properties --offsets offsets.dat --output weir.yaml",
                "take over its slot too"
            ),
        ])

    private static let completions = CommandSpec(
        name: .completions, summary: "Print completions for a shell",
        arguments: [
            ArgumentSpec(name: "SHELL", isOptional: false, choices: ["bash", "zsh", "fish"], isFile: false)
        ],
        examples: [
            ("weir completions bash > /etc/bash_completion.d/weir", "for every user of bash"),
            ("weir completions zsh > \"${fpath[1]}/_weir\"", "for zsh"),
            ("weir completions fish > ~/.config/fish/completions/weir.fish", "for fish"),
        ])

    private static let reference = CommandSpec(
        name: .reference, summary: "Print the configuration reference as Markdown", isHidden: true)

    private static let help = CommandSpec(
        name: .help, summary: "Show help for a command",
        arguments: [ArgumentSpec(name: "COMMAND", isFile: false)])
}
