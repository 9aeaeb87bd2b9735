import Codec
import Tokens

/// Where the log ends that a node keeps by itself, as the log of what happened has it: `n2, 12 lines, sha256 9f3c...`.
extension AuditEvent {
    /// - Parameter name: what the node is called; its number is never given to another one, its name may be.
    init(endOf chain: LineChain, keptBy node: NodeID, called name: String) {
        self.init(.logAnchored, node: name, about: "\(node), \(chain)")
    }

    /// The end of the node's own log that a line tells; nil where it is about something else.
    public static func end(ofLogOf node: NodeID, in line: [UInt8]) -> LineChain? {
        // There are millions of lines, and only those that end like this one are read.
        guard line.dropLast(behindHash).suffix(beforeHash.count).elementsEqual(beforeHash),
            let event = Self(line: line),
            event.act == .logAnchored, let about = event.about
        else { return nil }
        let owner = "\(node), "
        return about.hasPrefix(owner) ? LineChain(String(about.dropFirst(owner.count))) : nil
    }

    private static let beforeHash = Array(" sha256 ".utf8)
    private static let behindHash = Digest.byteCount * 2 + "\",\"decision\":\"done\"}".utf8.count
}
