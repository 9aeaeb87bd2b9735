/// Paths below the root of a tree, separated by `/`.
enum RelativePath {
    /// Why the path may not be in a manifest, or nil where it may.
    static func flaw(of path: String) -> String? {
        let bytes = path.utf8
        if bytes.isEmpty { return "it is empty" }
        if bytes.count > TransferConstants.pathBytesMax { return "it is longer than 4,095 bytes" }
        if bytes.first == slash { return "it is absolute" }
        if bytes.contains(0) { return "it holds a NUL" }
        var depth = 0
        for name in bytes.split(separator: slash, omittingEmptySubsequences: false) {
            depth += 1
            if name.isEmpty { return "it has an empty name" }
            if name.count > TransferConstants.nameBytesMax { return "it has a name longer than 255 bytes" }
            if name.elementsEqual(".".utf8) || name.elementsEqual("..".utf8) {
                return "it has \(String(name)!) as a name"
            }
        }
        return depth > TransferConstants.depthMax ? "it is nested too deeply" : nil
    }

    /// The path of the directory that holds it; empty for the root.
    static func parent(of path: String) -> String {
        guard let index = path.utf8.lastIndex(of: slash) else { return "" }
        return String(path[..<index])
    }

    static func name(of path: String) -> String {
        guard let index = path.utf8.lastIndex(of: slash) else { return path }
        return String(path[path.utf8.index(after: index)...])
    }

    static func join(_ directory: String, _ name: String) -> String {
        directory.isEmpty ? name : directory + "/" + name
    }

    static func components(of path: String) -> [Substring] { path.split(separator: "/") }

    /// The order of manifests: by bytes.
    static func precedes(_ left: String, _ right: String) -> Bool { left.utf8.lexicographicallyPrecedes(right.utf8) }

    static let slash = UInt8(ascii: "/")
}
