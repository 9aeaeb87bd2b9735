// swift-tools-version: 6.2
import PackageDescription

/// The fuzzers under libFuzzer: a package of their own, so that nobody builds them who does not run `scripts/fuzz`.
let package = Package(
    name: "fuzz",
    dependencies: [.package(name: "swarmlet", path: "../..")],
    targets: [
        .executableTarget(
            name: "Fuzz", dependencies: [.product(name: "Fuzzing", package: "swarmlet")],
            swiftSettings: [.swiftLanguageMode(.v6), .unsafeFlags(["-parse-as-library"])])
    ]
)
