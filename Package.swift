// swift-tools-version: 6.2
import PackageDescription

let swift: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]

/// Of what goes into the binary: the engine of regular expressions would come along by itself, 1.4 MB never used.
let product: [SwiftSetting] =
    swift + [.unsafeFlags(["-Xfrontend", "-disable-implicit-string-processing-module-import"])]

/// Small before fast: for what waits for disks, networks and people. 0.7 MB of the binary; submit, tasks and logs of
/// scripts/bench see no difference.
let small: [SwiftSetting] = product + [.unsafeFlags(["-Osize"], .when(configuration: .release))]

/// One module of the house and what it may import: only floors below its own (docs/architecture.md).
func module(
    _ name: String, _ dependencies: [Target.Dependency], settings: [SwiftSetting] = product,
    linker: [LinkerSetting] = []
) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: settings, linkerSettings: linker)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: "\(name)Tests", dependencies: dependencies, swiftSettings: swift)
}

let package = Package(
    name: "swarmlet",
    products: [
        .executable(name: "swarmlet", targets: ["Swarmlet"]),
        // For the package in Tests/Fuzz alone.
        .library(name: "Fuzzing", targets: ["Fuzzing"]),
    ],
    targets: [
        .systemLibrary(name: "CUring", path: "Sources/C/CUring"),
        .systemLibrary(name: "CSodium", path: "Sources/C/CSodium"),
        .systemLibrary(name: "CSQLite", path: "Sources/C/CSQLite"),
        .target(name: "CLinux", path: "Sources/C/CLinux"),
        // Optimised in debug builds too: tests hash megabytes.
        .target(name: "CBLAKE3", path: "Sources/C/CBLAKE3", cSettings: [.unsafeFlags(["-O2"])]),

        // Floor 0
        module("Codec", ["CBLAKE3"]),
        module(
            "Store", ["CSQLite"],
            linker: [.linkedLibrary(":libsqlite3.a"), .linkedLibrary("m")]),
        module("Ring", ["Codec", "CUring", "CLinux"], linker: [.linkedLibrary(":liburing.a")]),
        // Floor 1
        module("Raft", ["Codec", "Store", "CLinux"]),
        module("Tokens", ["Codec", "CSodium"], linker: [.linkedLibrary(":libsodium.a")]),
        // Floor 2
        module("Mesh", ["Codec", "Ring", "Tokens", "CSodium", "CLinux"]),
        module("Scheduler", ["Codec", "Tokens"]),
        // Floor 3
        module("GPUBackend", ["Codec", "Mesh", "Scheduler", "CLinux"], settings: small),
        // Floor 4
        module(
            "Node", ["Codec", "Store", "Ring", "Raft", "Tokens", "Mesh", "Scheduler", "GPUBackend", "CLinux"],
            settings: small),
        // Floor 5
        .executableTarget(
            name: "Swarmlet",
            dependencies: ["Node", "GPUBackend", "Mesh", "Scheduler", "Tokens", "Ring", "Codec", "CLinux"],
            swiftSettings: small,
            linkerSettings: [
                .unsafeFlags(
                    ["-use-ld=lld", "-Xlinker", "--icf=all", "-Xlinker", "--no-export-dynamic"],
                    .when(configuration: .release))
            ]),

        tests("Codec", ["Codec"]),
        tests("Store", ["Store"]),
        tests("Ring", ["Codec", "Ring"]),
        tests("Raft", ["Raft", "Simulation"]),
        tests("Tokens", ["Tokens", "Fuzzing"]),
        tests("Mesh", ["Mesh", "Simulation", "Fuzzing"]),
        tests("Scheduler", ["CLinux", "Codec", "Scheduler", "Simulation", "Fuzzing"]),
        tests("GPUBackend", ["GPUBackend"]),
        tests("Node", ["Node", "Fuzzing"]),
        .target(
            name: "Fuzzing", dependencies: ["Codec", "Ring", "Raft", "Tokens", "Mesh", "Scheduler", "Node"],
            path: "Tests/Fuzzing", swiftSettings: swift),
        .target(
            name: "Simulation", dependencies: ["Codec", "Raft", "Tokens", "Mesh", "Scheduler", "Node"],
            path: "Tests/Simulation", swiftSettings: swift),
        tests("Simulation", ["Simulation", "Simulate"]),
        // Run by scripts/simulate; not a product.
        .executableTarget(
            name: "Simulate", dependencies: ["CLinux", "Codec", "Scheduler", "Simulation"], path: "Tests/Simulate",
            swiftSettings: swift),
        // The clients of scripts/bench raft and scripts/soak-raft; not a product.
        .executableTarget(
            name: "Load",
            dependencies: ["Codec", "Raft", "Ring", "Mesh", "Scheduler", "Tokens", "Node", "Simulation"],
            path: "Tests/Load",
            swiftSettings: swift),
        // Run by scripts/differential, beside the Go program in Tests/differential/etcd; not a product.
        .executableTarget(
            name: "Differential", dependencies: ["Codec", "Raft", "Simulation"], path: "Tests/differential/Compare",
            swiftSettings: swift),
        tests("EndToEnd", ["Swarmlet", "Node", "Mesh", "Scheduler", "Codec"]),
    ]
)
