/// The output of several ranks as lines that begin with the rank: `[1] step 100`. A piece of a line waits for its end, so
/// that no two lines get mixed.
struct RankLines {
    /// Begun lines by rank and stream, ascending.
    private var begun: [Begun] = []

    private struct Begun {
        var rank: UInt32
        var stream: UInt8
        var prefix: [UInt8]
        var bytes: [UInt8]
    }

    /// A line that is longer goes out in parts.
    static let lineBytesMax = 16 << 10

    /// The lines that end with these bytes.
    ///
    /// - Parameter text: put before the rank.
    mutating func take(_ bytes: [UInt8], _ rank: UInt32, _ stream: UInt8, before text: String = "") -> [UInt8] {
        let place = begun.firstIndex { ($0.rank, $0.stream) >= (rank, stream) } ?? begun.count
        if place == begun.count || begun[place].rank != rank || begun[place].stream != stream {
            begun.insert(Begun(rank: rank, stream: stream, prefix: [], bytes: []), at: place)
        }
        let prefix = Array("\(text)[\(rank)] ".utf8)
        var result: [UInt8] = []
        for byte in bytes {
            if begun[place].bytes.isEmpty { begun[place].prefix = prefix }
            begun[place].bytes.append(byte)
            guard byte == 10 || begun[place].bytes.count >= Self.lineBytesMax else { continue }
            result += begun[place].prefix + begun[place].bytes
            if byte != 10 { result.append(10) }
            begun[place].bytes = []
        }
        return result
    }

    /// What was begun and never ended, each as a line.
    mutating func rest() -> [(stream: UInt8, bytes: [UInt8])] {
        defer { begun = [] }
        return begun.filter { !$0.bytes.isEmpty }.map { ($0.stream, $0.prefix + $0.bytes + [10]) }
    }
}
