import Foundation
import LibSQLite
import PostgresSource
import WeirCore

// tally URL FOLDER: counts the changes of a database into FOLDER/tally.json until SIGTERM or SIGINT.
guard CommandLine.arguments.count == 3 else {
    FileHandle.standardError.write(Data("usage: tally URL FOLDER\n".utf8))
    exit(2)
}
let url = CommandLine.arguments[1]
let folder = URL(fileURLWithPath: CommandLine.arguments[2])

let logger = Logger(level: .info) { level, message, values in
    let pairs = values.map { " \($0.0)=\($0.1)" }.joined()
    FileHandle.standardError.write(Data("\(level.name): \(message)\(pairs)\n".utf8))
}

do throws(WeirError) {
    let store = try StateStore.open(folder: folder.appendingPathComponent("state").path, pipeline: "tally")
    let source = PostgresSourceSettings(url: url, tables: ["public.*"], slot: "weir_tally", publication: "weir_tally")
    let history = PostgresSourceHistory()
    let pipeline = Pipeline(
        source: SourceFactory(name: "postgres") { () throws(WeirError) in
            PostgresSource(source, history: history, logger: logger)
        },
        sinks: [
            SinkFactory(name: "tally") { () throws(WeirError) in
                TallySink(file: folder.appendingPathComponent("tally.json"))
            }
        ],
        store: store, logger: logger)

    // The first signal drains; what is not durable then comes again after the next start.
    let signals = [SIGTERM, SIGINT].map { number in
        signal(number, SIG_IGN)
        let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
        source.setEventHandler { pipeline.requestStop() }
        source.resume()
        return source
    }
    defer { signals.forEach { $0.cancel() } }
    try pipeline.run()
} catch {
    FileHandle.standardError.write(Data("error: \(error)\n".utf8))
    exit(1)
}
