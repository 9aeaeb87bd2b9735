import Codec

/// The keys of one handshake between two nodes, both directions, and what was received under them.
struct DatagramKeys: Sendable {
    /// What the other side writes into its packets, and what it wants to find in ours.
    let ownIndex: UInt32
    let remoteIndex: UInt32
    let isInitiator: Bool
    /// The hello that began it.
    let hello: DatagramPacket.Nonce
    /// The start of the other side that they belong to.
    let remoteSalt: [UInt8]
    let madeAt: Instant
    /// The answer to the hello, where this side gave it: repeated when the hello is.
    let welcome: [UInt8]
    private let sending: [DatagramCipher]
    private let receiving: [DatagramCipher]
    private var window = ReplayWindow()

    init(
        _ secrets: DatagramSecrets, ownIndex: UInt32, remoteIndex: UInt32, isInitiator: Bool,
        hello: DatagramPacket.Nonce, answer: DatagramPacket.Nonce, welcome: [UInt8] = [], madeAt: Instant
    ) {
        self.ownIndex = ownIndex
        self.remoteIndex = remoteIndex
        self.isInitiator = isInitiator
        self.hello = hello
        remoteSalt = isInitiator ? answer.salt : hello.salt
        self.welcome = welcome
        self.madeAt = madeAt
        sending = DatagramPurpose.allCases.map {
            secrets.cipher($0, fromInitiator: isInitiator, initiator: hello, responder: answer)
        }
        receiving = DatagramPurpose.allCases.map {
            secrets.cipher($0, fromInitiator: !isInitiator, initiator: hello, responder: answer)
        }
    }

    func cipherToSend(_ purpose: DatagramPurpose) -> DatagramCipher { sending[Int(purpose.rawValue) - 1] }

    func isUsable(at now: Instant) -> Bool { now - madeAt < DatagramConstants.keyAgeMax }

    /// A packet with this content.
    func seal(_ purpose: DatagramPurpose, counter: UInt64, _ content: [UInt8]) -> [UInt8] {
        var packet = DatagramPacket.sealed(purpose, index: remoteIndex, counter: counter).encoded
        cipherToSend(purpose).seal(content, counter: counter, into: &packet)
        return packet
    }

    /// The content of a packet, once: nil for one that does not fit, was here before or is too old to tell.
    mutating func open(_ packet: [UInt8], _ purpose: DatagramPurpose, counter: UInt64) -> [UInt8]? {
        guard counter < DatagramConstants.counterMax, window.isFresh(counter) else { return nil }
        let cipher = receiving[Int(purpose.rawValue) - 1]
        guard let content = cipher.open(packet, headerCount: DatagramConstants.headerBytes, counter: counter),
            window.accept(counter)
        else { return nil }
        return content
    }
}
