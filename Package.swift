// swift-tools-version: 6.2
import PackageDescription

/// Every module: no implicit existential, no import leaking into a public signature by accident.
let common: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]

/// Modules that touch C or raw memory: every unsafe use is spelled out.
let guarded: [SwiftSetting] = common + [.strictMemorySafety()]

func connector(_ module: String, _ folder: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(
        name: module, dependencies: ["WeirCore"] + dependencies, path: "connectors/\(folder)",
        exclude: ["README.md"], swiftSettings: guarded)
}

func tests(_ module: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(
        name: module, dependencies: dependencies + ["WeirCore", "WeirTestKit"], path: "Tests/\(module)",
        swiftSettings: common)
}

let package = Package(
    name: "weir",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "weir", targets: ["weir"]),
        // What a program with a connector of its own is made of.
        .library(name: "WeirCore", targets: ["WeirCore"]),
        .library(name: "PostgresSource", targets: ["PostgresSource"]),
        .library(name: "LibSQLite", targets: ["LibSQLite"]),
    ],
    targets: [
        // The distribution's C libraries: a module map and a shim header each.
        .systemLibrary(name: "CLibPQ", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
        .systemLibrary(name: "CRdKafka", pkgConfig: "rdkafka", providers: [.apt(["librdkafka-dev"])]),
        .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        .systemLibrary(name: "CYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
        .systemLibrary(
            name: "CMicroHTTPD", pkgConfig: "libmicrohttpd", providers: [.apt(["libmicrohttpd-dev"])]),
        .systemLibrary(name: "CGetopt"),
        .systemLibrary(name: "CMalloc"),
        .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CSSL", pkgConfig: "libssl", providers: [.apt(["libssl-dev"])]),

        // The domain and the owners of C handles.
        .target(name: "WeirCore", swiftSettings: guarded),
        .target(name: "PgOutput", swiftSettings: guarded),
        .target(name: "LibPQ", dependencies: ["CLibPQ", "WeirCore"], swiftSettings: guarded),
        .target(name: "LibRdKafka", dependencies: ["CRdKafka", "WeirCore"], swiftSettings: guarded),
        .target(name: "LibSQLite", dependencies: ["CSQLite", "WeirCore"], swiftSettings: guarded),
        .target(name: "LibCrypto", dependencies: ["CCrypto", "WeirCore"], swiftSettings: guarded),
        .target(name: "AdminServer", dependencies: ["CMicroHTTPD", "WeirCore"], swiftSettings: guarded),
        .target(name: "SettingsFile", dependencies: ["CYAML", "WeirCore"], swiftSettings: guarded),

        // Connectors: each knows WeirCore and its own library, never another connector.
        connector("PostgresSource", "postgres-source", ["LibPQ", "PgOutput"]),
        connector("PostgresSink", "postgres-sink", ["LibPQ"]),
        connector("KafkaSink", "kafka-sink", ["LibRdKafka"]),
        connector("KafkaSource", "kafka-source", ["LibRdKafka"]),
        connector("StdoutSink", "stdout-sink", []),

        .executableTarget(
            name: "weir",
            dependencies: [
                "CGetopt", "CMalloc", "WeirCore", "AdminServer", "SettingsFile", "LibSQLite", "LibCrypto", "LibPQ",
                "LibRdKafka", "PostgresSource", "PostgresSink", "KafkaSink", "KafkaSource", "StdoutSink",
            ],
            swiftSettings: common),

        // Measurements, run by hand.
        .executableTarget(
            name: "encoding-benchmark", dependencies: ["WeirCore", "AllocationCount"],
            path: "Tests/Benchmarks/Encoding",
            swiftSettings: common),

        // The decoder's promises: the fuzz target of Tests/Fuzz/run.sh, and what the tests read its corpus with.
        .target(
            name: "StreamFuzz", dependencies: ["LibPQ", "PgOutput", "WeirCore"], path: "Tests/Fuzz/Target",
            swiftSettings: guarded),

        // Tests.
        .target(
            name: "WeirTestKit", dependencies: ["WeirCore", "LibRdKafka", "CLibPQ", "CRdKafka", "CSSL"],
            swiftSettings: common),
        // Counts what a thread allocates, by a malloc of its own in front of the library's.
        .target(name: "AllocationCount", path: "Tests/AllocationCount"),
        tests("WeirTestKitTests", []),
        tests("WeirCoreTests", ["LibCrypto", "AllocationCount"]),
        tests("PgOutputTests", ["PgOutput", "StreamFuzz"]),
        tests("LibPQTests", ["LibPQ"]),
        tests("LibRdKafkaTests", ["LibRdKafka"]),
        tests("LibSQLiteTests", ["LibSQLite"]),
        tests("LibCryptoTests", ["LibCrypto"]),
        tests("AdminServerTests", ["AdminServer"]),
        tests("SettingsFileTests", ["SettingsFile"]),
        tests("PostgresSourceTests", ["PostgresSource", "PgOutput", "LibPQ", "AllocationCount"]),
        tests("PostgresSinkTests", ["PostgresSink", "LibPQ"]),
        tests("KafkaSinkTests", ["KafkaSink", "LibRdKafka"]),
        tests("KafkaSourceTests", ["KafkaSource", "LibPQ", "LibRdKafka"]),
        tests("StdoutSinkTests", ["StdoutSink"]),
        tests("CommandTests", ["weir"]),
        tests("Scenarios", ["LibPQ", "LibRdKafka"]),
    ],
    swiftLanguageModes: [.v6]
)
