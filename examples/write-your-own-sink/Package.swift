// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "tally",
    platforms: [.macOS(.v15)],
    dependencies: [.package(name: "weir", path: "../..")],
    targets: [
        .executableTarget(
            name: "tally",
            dependencies: [
                .product(name: "WeirCore", package: "weir"), .product(name: "PostgresSource", package: "weir"),
                .product(name: "LibSQLite", package: "weir"),
            ])
    ],
    swiftLanguageModes: [.v6]
)
