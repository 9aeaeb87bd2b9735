/// Follows the symbolic links of a manifest as a kernel would, to see which lead out of the tree.
///
/// Comparing the text of a target with its depth is not enough: `a/b -> ..` and `c -> a/b/../x` are both harmless to look
/// at, and together they leave the tree.
struct SymlinkScope {
    /// Target by path. It is only looked up, never iterated.
    private let links: [String: String]
    private var stepsLeft = TransferConstants.symlinkStepsMax

    init(links: [String: String]) { self.links = links }

    /// Whether following the link at `path` stays inside the tree. A name that is not in the manifest counts as a plain
    /// one. Throws `pathInvalid` where the target can be no target, or where the links are too entangled to follow.
    mutating func contains(path: String, target: String) throws(TransferError) -> Bool {
        if target.isEmpty || target.utf8.contains(0) { throw .pathInvalid(path, "its link has no valid target") }
        if target.utf8.count > TransferConstants.pathBytesMax { throw .pathInvalid(path, "its link is too long") }
        if target.utf8.first == RelativePath.slash { return false }
        // Names still to be walked, the next one last.
        var pending: [Substring] = []
        try push(target, to: &pending, of: path)
        var position = RelativePath.parent(of: path)
        var hops = 0
        while let name = pending.popLast() {
            if name == "." { continue }
            if name == ".." {
                if position.isEmpty { return false }
                position = RelativePath.parent(of: position)
                continue
            }
            let next = RelativePath.join(position, String(name))
            guard let inner = links[next] else {
                position = next
                continue
            }
            hops += 1
            // A kernel gives up here (ELOOP), so the link leads nowhere.
            if hops > TransferConstants.symlinkHopsMax { return true }
            if inner.utf8.first == RelativePath.slash { return false }
            try push(inner, to: &pending, of: path)
        }
        return true
    }

    private mutating func push(
        _ target: String, to pending: inout [Substring], of path: String
    ) throws(TransferError) {
        let names = RelativePath.components(of: target)
        stepsLeft -= names.count
        guard stepsLeft > 0 else { throw .pathInvalid(path, "the links are too entangled to follow") }
        pending += names.reversed()
    }
}
