import Codec
import Mesh
import Scheduler

/// What a setup is kept by on a node: two attempts with the same key would make the same, and may use what one of them made.
///
/// In it are who submitted the job, how far it is kept apart, its image, the line, the variables that the line names, and of
/// the files that travel with it those that say what a setup has to install and those that the line names. All files count
/// where there are none of these, and where the line builds from sources: what it makes changes with any of them.
enum SetupKey {
    /// Files that say what a setup has to install, wherever they stand.
    static let lockFiles: Set<String> = [
        "uv.lock", "poetry.lock", "pdm.lock", "Pipfile", "Pipfile.lock", "pylock.toml", "pyproject.toml", "setup.py",
        "setup.cfg", "requirements.txt", "requirements.in", "constraints.txt", "environment.yml", "environment.yaml",
        "conda-lock.yml", "pixi.toml", "pixi.lock", ".python-version", "package.json", "package-lock.json",
        "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock", "bun.lockb", "Cargo.toml", "Cargo.lock",
        "go.mod", "go.sum", "Gemfile", "Gemfile.lock", "composer.json", "composer.lock", "Project.toml",
        "Manifest.toml", "renv.lock", "DESCRIPTION", "Package.swift", "Package.resolved",
    ]

    /// Programs that make something of sources.
    private static let builders: Set<String> = [
        "make", "cmake", "ninja", "meson", "bazel", "cargo", "go", "swift", "swiftc", "gcc", "g++", "cc", "c++",
        "clang",
        "clang++", "nvcc", "gfortran", "rustc", "maturin", "mvn", "gradle", "tsc", "ghc", "cabal", "stack", "build",
    ]

    /// - Parameters:
    ///   - line: the setup command.
    ///   - files: what travels with the job; nil: nothing.
    ///   - image: which one it runs in; empty: none.
    static func digest(_ line: String, of job: JobSpec, files: Manifest?, image: String = "") -> Digest {
        let words = words(of: line)
        var parts = [
            "swarmlet/setup/1", job.user, "\(job.uid)", job.guest.map { BLAKE3.hash($0.encoded()).hex } ?? "",
            job.runAs ?? "", (job.sandbox?.profile ?? .standard).name,
            image, line,
        ]
        for variable in job.environment where words.contains(variable.name) {
            parts += [variable.name, variable.value]
        }
        parts.append("")
        if let files {
            let named = files.entries.filter { counts($0, words) }
            if named.isEmpty || builds(named, words) { parts.append(files.root.hex) }
            for entry in named { parts += [entry.path, text(of: entry)] }
        }
        var hash = BLAKE3()
        for part in parts {
            let bytes = Array(part.utf8)
            // Its length before it: no two lists are one text.
            hash.update(Array("\(bytes.count):".utf8))
            hash.update(bytes)
        }
        return hash.finalize()
    }

    private static func counts(_ entry: Manifest.Entry, _ words: Set<String>) -> Bool {
        if case .directory = entry.content { return false }
        if words.contains(entry.path) { return true }
        guard let name = entry.path.split(separator: "/").last else { return false }
        return lockFiles.contains(String(name))
    }

    /// Whether the line makes something of files that it does not name: a script may do anything.
    private static func builds(_ named: [Manifest.Entry], _ words: Set<String>) -> Bool {
        if !words.isDisjoint(with: builders) { return true }
        return named.contains { entry in
            guard words.contains(entry.path), case .file(let file) = entry.content else { return false }
            return file.isExecutable || entry.path.hasSuffix(".sh") || entry.path.hasSuffix(".py")
        }
    }

    private static func text(of entry: Manifest.Entry) -> String {
        switch entry.content {
        case .file(let file): (file.isExecutable ? "x" : "f") + file.digest.hex
        case .symlink(let target): "l" + target
        case .directory: ""
        }
    }

    /// What the line may name: files as they are written, without a `./`, and variables.
    private static func words(of line: String) -> Set<String> {
        let separators = Set(" \t\n\"'`;&|<>()={}$,:".utf8)
        let words = line.utf8.split { separators.contains($0) }.map { String(decoding: $0, as: UTF8.self) }
        return Set(words.map { $0.hasPrefix("./") ? String($0.dropFirst(2)) : $0 })
    }
}
