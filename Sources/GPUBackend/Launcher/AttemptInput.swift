import Codec
import Glibc

/// What a command is given to read: taken by number of the byte, so that nothing comes twice whoever brings it.
struct AttemptInput {
    /// -1: it reads nothing, or no more.
    private(set) var descriptor: Int32
    /// Bytes taken so far.
    private(set) var count: UInt64 = 0
    private var waiting: [UInt8] = []
    private var isEnding = false
    /// Somebody brought more than there was room for.
    private var owesWord = false

    /// Bytes that wait for the command at most, beside what the kernel holds.
    private static let waitingMaximum = 256 << 10

    init(_ descriptor: Int32) { self.descriptor = descriptor }

    var isOpen: Bool { descriptor >= 0 && !isEnding }
    var wantsWriting: Bool { descriptor >= 0 && !waiting.isEmpty }

    /// Takes what is new of these bytes, as far as there is room.
    mutating func take(_ bytes: [UInt8], at offset: UInt64, isLast: Bool) {
        guard isOpen, offset <= count else { return }
        let known = Int(clamping: count - offset)
        guard known <= bytes.count else { return }
        var rest = bytes[known...]
        drain()
        while isOpen, !rest.isEmpty, waiting.count < Self.waitingMaximum {
            let fresh = rest.prefix(Self.waitingMaximum - waiting.count)
            waiting += fresh
            count += UInt64(fresh.count)
            rest = rest.dropFirst(fresh.count)
            drain()
        }
        // What waits is written later, and whoever has more hears of it then.
        owesWord = !rest.isEmpty
        isEnding = isLast && !owesWord
        if isEnding, waiting.isEmpty { close() }
    }

    /// Gives the command what it takes now; true where there is room again for somebody who waits for it.
    mutating func write() -> Bool {
        drain()
        guard owesWord, waiting.count <= Self.waitingMaximum / 2 || descriptor < 0 else { return false }
        owesWord = false
        return true
    }

    private mutating func drain() {
        while !waiting.isEmpty, descriptor >= 0 {
            let done = Glibc.write(descriptor, waiting, waiting.count)
            if done > 0 {
                waiting.removeFirst(done)
            } else if errno == EAGAIN {
                break
            } else if errno != EINTR {
                // It reads no more, which is its affair.
                close()
            }
        }
        if isEnding, waiting.isEmpty { close() }
    }

    mutating func close() {
        guard descriptor >= 0 else { return }
        Glibc.close(descriptor)
        descriptor = -1
        waiting = []
    }
}
