import Glibc
import LibSQLite
import SettingsFile
import WeirCore

/// `weir import debezium`: a Debezium configuration becomes Weir's, and its stored offset a position in Weir's state.
enum ImportCommand {
    static func run(_ command: ParsedCommand, _ console: Console) throws(WeirError) -> ExitCode {
        // The parser saw to it that there is one.
        let file = command.arguments.first ?? ""
        let statePath = command.value("state") ?? "./weir-state"
        let settings = DebeziumImport(try properties(file))
        let offset = try command.value("offsets").map { path throws(WeirError) in try position(path, settings, command)
        }
        let configuration = ConfigurationText(settings, file: file, statePath: statePath)
        var findings = settings.notes.filter { $0.severity != .ok }.map(\.finding) + configuration.problems()
        findings += (offset?.warnings ?? []).map { Finding(.warning, "offset", $0) }
        let isRefused = findings.contains { $0.severity == .error } && !command.has("force")
        if let offset {
            if isRefused {
                findings.append(
                    Finding(
                        .error, "offset", "No position was stored, because of the errors above",
                        remedy: "Correct them, or take the configuration as it is with --force."))
            } else {
                try store(offset, settings, statePath, replaces: command.has("force"))
                findings.append(
                    Finding(
                        .ok, "offset",
                        "The position \(offset.position) is stored in \(statePath)"
                            + (offset.partial.map { ", the changes of transaction \($0.xid) up to \($0.lsn) left out" }
                                ?? ""),
                        remedy: "Stop Debezium for good, then `weir check` and `weir run`."))
            }
        }
        try write(configuration, command, findings, offset, console)
        return isRefused ? .failed : .done
    }

    // MARK: - Reading

    private static func properties(_ path: String) throws(WeirError) -> DebeziumProperties {
        let bytes = try read(path)
        do throws(DebeziumProperties.Failure) {
            return try DebeziumProperties(bytes)
        } catch {
            throw unreadable(path, error.reason)
        }
    }

    private static func read(_ path: String) throws(WeirError) -> [UInt8] {
        do throws(FileReadError) {
            return try TextFile.read(path, limit: 16 << 20).bytes
        } catch {
            throw unreadable(path, error.reason)
        }
    }

    private static func unreadable(_ path: String, _ reason: String) -> WeirError {
        WeirError(
            .configurationInvalid, stage: .command, "The file \(path) cannot be read", cause: reason,
            advice: "Name a connector's JSON, a .properties file of Debezium's engine or server, or its offsets.")
    }

    /// The newest offset of the connector in a file of offsets.
    private static func position(
        _ path: String, _ settings: DebeziumImport, _ command: ParsedCommand
    ) throws(WeirError) -> DebeziumOffset {
        let bytes = try read(path)
        let file: DebeziumOffsetFile
        do throws(DebeziumOffsetFile.Failure) {
            file = try DebeziumOffsetFile(bytes)
        } catch {
            throw unreadable(path, error.reason)
        }
        let own = file.entries.filter { $0.server == settings.topicPrefix }
        let entry = own.first { $0.connector == settings.connectorName } ?? (own.count == 1 ? own[0] : nil)
        guard let entry else {
            let known = file.entries.map { "\($0.connector ?? "?") of \($0.server)" }.joined(separator: ", ")
            throw WeirError(
                .positionMismatch, stage: .command, "\(path) holds no offset of \(settings.topicPrefix)",
                cause: known.isEmpty ? "it is empty" : "it holds those of \(known)",
                advice: "Check topic.prefix and the connector's name.")
        }
        do throws(DebeziumOffset.Refusal) {
            return try DebeziumOffset(entry.offset)
        } catch {
            throw WeirError(
                .positionMismatch, stage: .command, "The offset in \(path) cannot be taken over", cause: error.reason,
                advice: error.remedy)
        }
    }

    // MARK: - Writing

    private static func store(
        _ offset: DebeziumOffset, _ settings: DebeziumImport, _ path: String, replaces: Bool
    ) throws(WeirError) {
        let store = try StateStore.open(folder: path, pipeline: settings.pipeline)
        if let known = try store.position(sink: settings.sinkName), known != offset.stored {
            guard replaces else {
                throw WeirError(
                    .positionMismatch, stage: .command,
                    "\(path) holds a position of \(settings.pipeline) already: \(known.lsn)",
                    cause: "the offset's is \(offset.position)",
                    advice: "Remove the folder, choose another with --state, or replace the position with --force.")
            }
            try store.removePosition(sink: settings.sinkName)
        }
        try store.setSnapshotIntent(nil)
        try store.save(offset.stored, sink: settings.sinkName)
    }

    private static func write(
        _ configuration: ConfigurationText, _ command: ParsedCommand, _ findings: [Finding], _ offset: DebeziumOffset?,
        _ console: Console
    ) throws(WeirError) {
        if let output = command.value("output") { try save(configuration.text, output, replaces: command.has("force")) }
        if command.has("json") {
            let list = findings.map { finding -> JSONText in
                .object([
                    ("severity", .string(finding.severity.rawValue)), ("property", .string(finding.subject)),
                    ("message", .string(finding.message)), ("remedy", .optional(finding.remedy)),
                ])
            }
            let object = JSONText.object([
                ("configuration", .string(configuration.text)), ("findings", .array(list)),
                ("position", .optional(offset?.position.description)),
            ])
            return try console.print(object.text + "\n")
        }
        if command.value("output") == nil { try console.print(configuration.text) }
        for finding in findings {
            let values = finding.remedy.map { [("remedy", $0)] } ?? []
            let text = "\(finding.subject): \(finding.message)"
            switch finding.severity {
            case .ok: console.logger.info(text, values)
            case .warning: console.logger.warning(text, values)
            case .error: console.logger.error(text, values)
            }
        }
    }

    private static func save(_ text: String, _ path: String, replaces: Bool) throws(WeirError) {
        let flags = O_WRONLY | O_CREAT | O_CLOEXEC | (replaces ? O_TRUNC : O_EXCL)
        let descriptor = unsafe open(path, flags, 0o644)
        guard descriptor >= 0 else { throw unwritable(path) }
        defer { close(descriptor) }
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw unwritable(path) }
            bytes = bytes.dropFirst(count)
        }
    }

    private static func unwritable(_ path: String) -> WeirError {
        WeirError(
            .inputOutput, stage: .command, "The file \(path) cannot be written",
            cause: unsafe String(cString: strerror(errno)),
            advice: "Choose another --output; a file that is there is replaced only with --force.")
    }
}
