import Codec

@testable import Mesh

/// What a peer says while files travel.
enum TransferFuzzing {
    static func message(_ bytes: [UInt8]) -> String? {
        let message = Fuzzer.taken { () throws(TransferError) in try TransferMessage.decode(bytes) }
        switch message {
        case .offer(let manifest), .manifest(let manifest):
            if let flaw = check(manifest) { return flaw }
        case nil: return check(bytes)
        default: break
        }
        guard let message else { return nil }
        let again = Fuzzer.taken { () throws(TransferError) in try TransferMessage.decode(message.encoded()) }
        return again == message ? nil : "a message that was taken does not survive being written"
    }

    private static func check(_ bytes: [UInt8]) -> String? {
        guard let manifest = Fuzzer.taken({ () throws(TransferError) in try Manifest.decode(bytes) }) else {
            return nil
        }
        for entry in manifest.entries {
            if entry.path.hasPrefix("/") || entry.path.split(separator: "/").contains("..") {
                return "a manifest that was taken writes to \(entry.path)"
            }
        }
        // A manifest is named by the digest of its bytes: it must have one form.
        return manifest.encoded() == bytes ? nil : "a manifest has two forms"
    }
}
