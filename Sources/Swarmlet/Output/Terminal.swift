import CLinux
import Codec
import Glibc

/// Where results and messages go, and how much of them is wanted.
///
/// stdout carries results only. Messages go to stderr, each line after `swarmlet: `; what a reader of a log does not need (notes and
/// progress) is said on a terminal only. Used from the main thread alone.
final class Terminal {
    let format: Format
    let volume: Volume
    let stdoutIsTerminal: Bool
    private let stderrIsTerminal: Bool
    /// Whether a person reads stderr now: a terminal, and `CI` not set.
    let stderrIsInteractive: Bool
    /// What a job writes is shown as it is, even where it steers the terminal.
    var passesControls: Bool
    private var filters = [ControlFilter(), ControlFilter()]
    private var progressIsShown = false

    enum Format {
        case text, json
    }

    enum Volume {
        case normal
        /// Only errors.
        case quiet
    }

    init(format: Format, volume: Volume, passesControls: Bool = false) {
        self.format = format
        self.passesControls = passesControls
        self.volume = volume
        stdoutIsTerminal = isatty(1) == 1
        stderrIsTerminal = isatty(2) == 1
        stderrIsInteractive = stderrIsTerminal && Environment.value("CI") == nil
    }

    /// Whether a question can be asked and answered.
    var canAsk: Bool { stderrIsInteractive && isatty(0) == 1 }

    /// How wide a table on stdout may be; nil in a pipe, where nothing is shortened.
    var tableWidth: Int? { stdoutIsTerminal ? Self.columns(of: 1) : nil }

    // MARK: Results

    /// Writes text to stdout, in which nothing of others steers a terminal.
    func result(_ text: String) throws(CommandError) { try write(Array(VisibleText.of(text).utf8), to: 1) }

    /// Begins at the top of an empty screen.
    func clearScreen() throws(CommandError) { try write(Array("\u{1B}[H\u{1B}[2J".utf8), to: 1) }

    /// Writes one JSON object and a newline to stdout.
    func result(_ json: JSON) throws(CommandError) { try write(json.encoded() + [10], to: 1) }

    /// Passes bytes of a job on: as they are into a file or a pipe, on a terminal without what would steer it.
    func pass(_ bytes: [UInt8], to stream: OutputStream) throws(CommandError) {
        if stream == .stderr || stdoutIsTerminal { clearProgress() }
        let shown = isFiltered(stream) ? filters[stream.rawValue].take(bytes) : bytes
        try write(shown, to: stream.descriptor)
    }

    /// After the last of a job's bytes.
    func endPass() throws(CommandError) {
        for stream in [OutputStream.stdout, .stderr] where isFiltered(stream) {
            try write(filters[stream.rawValue].rest(), to: stream.descriptor)
        }
    }

    private func isFiltered(_ stream: OutputStream) -> Bool {
        !passesControls && (stream == .stdout ? stdoutIsTerminal : stderrIsTerminal)
    }

    enum OutputStream: Int {
        case stdout, stderr

        fileprivate var descriptor: Int32 { self == .stdout ? 1 : 2 }
    }

    // MARK: Messages

    /// The two lines of an error, or its JSON object. Its exit code is the caller's to return.
    func report(_ error: CommandError) {
        clearProgress()
        switch format {
        case .text:
            say(VisibleText.of("swarmlet: \(error.message) [\(error.code)]\nswarmlet: \(error.hint)\n"))
        case .json:
            complain(ErrorObject.json(error))
        }
    }

    /// What a reader of a log must know as well: warnings and changes of attempts.
    func warn(_ text: String) {
        guard volume == .normal else { return }
        clearProgress()
        say(VisibleText.of("swarmlet: \(text)\n"))
    }

    /// What helps a person who watches; nothing in a pipe.
    func note(_ text: String) {
        guard stderrIsInteractive else { return }
        warn(text)
    }

    /// One line that the next one replaces; nothing in a pipe.
    func progress(_ text: String) {
        guard stderrIsInteractive, volume == .normal else { return }
        let width = max(20, Self.columns(of: 2) ?? 80)
        say("\r\u{1B}[K" + String(VisibleText.line("swarmlet: \(text)").prefix(width - 1)))
        progressIsShown = true
    }

    func clearProgress() {
        guard progressIsShown else { return }
        progressIsShown = false
        say("\r\u{1B}[K")
    }

    /// Asks a question whose default answer is no.
    func confirm(_ question: String, hint: String) throws(CommandError) -> Bool {
        guard canAsk else { throw .needsAnswer(question: question, hint: hint) }
        clearProgress()
        say(VisibleText.of("swarmlet: \(question) [y/N] "))
        let answer = readLine(strippingNewline: true) ?? ""
        return answer == "y" || answer == "Y" || answer.lowercased() == "yes"
    }

    /// Asks for one of several, by its number; nil: none of them.
    func choose(_ question: String, among count: Int, hint: String) throws(CommandError) -> Int? {
        guard canAsk else { throw .needsAnswer(question: question, hint: hint) }
        clearProgress()
        say("swarmlet: \(question) [1-\(count)] ")
        guard let answer = readLine(strippingNewline: true), let number = Int(answer), (1...count).contains(number)
        else { return nil }
        return number - 1
    }

    /// Asks for a line that is not shown while it is typed. The caller wipes it.
    func secret(_ question: String, hint: String) throws(CommandError) -> [UInt8] {
        guard canAsk else { throw .needsAnswer(question: question, hint: hint) }
        clearProgress()
        var before = termios()
        guard tcgetattr(0, &before) == 0 else { throw .needsAnswer(question: question, hint: hint) }
        // Ctrl-C comes as a character, so that the terminal is never left as it is meanwhile.
        var hidden = before
        hidden.c_lflag &= ~tcflag_t(ECHO | ISIG | ICANON)
        tcsetattr(0, TCSAFLUSH, &hidden)
        defer { tcsetattr(0, TCSAFLUSH, &before) }
        say(VisibleText.of("swarmlet: \(question): "))
        defer { say("\n") }
        // Of the full size at once, so that it never grows out of a place that is not wiped.
        var line = [UInt8](repeating: 0, count: 1_024)
        var (count, byte) = (0, UInt8(0))
        while read(0, &byte, 1) == 1, byte != 10, byte != 13, byte != 4 {
            switch byte {
            case 3: throw .declined(what: "the passphrase")
            case 8, 127: count = max(0, count - 1)
            case 21: count = 0
            default:
                guard count < line.count else { continue }
                line[count] = byte
                count += 1
            }
        }
        for index in count..<line.count { line[index] = 0 }
        line.removeLast(line.count - count)
        return line
    }

    /// The width of the window behind a descriptor; nil where there is none.
    static func columns(of descriptor: Int32) -> Int? {
        var size = winsize()
        guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return nil }
        return Int(size.ws_col)
    }

    // MARK: Bytes

    private func say(_ text: String) { complain(Array(text.utf8)) }
    private func complain(_ json: JSON) { complain(json.encoded() + [10]) }

    /// stderr is the last place to complain to: when it cannot be written, the exit code is all that is left to say.
    private func complain(_ bytes: [UInt8]) {
        do throws(CommandError) { try write(bytes, to: 2) } catch { return }
    }

    private func write(_ bytes: [UInt8], to descriptor: Int32) throws(CommandError) {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress! + done, bytes.count - done) }
            if count >= 0 {
                done += count
                continue
            }
            switch errno {
            case EINTR: continue
            case EAGAIN:
                // The descriptor was made non-blocking by whoever gave it to us.
                var ready = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                poll(&ready, 1, -1)
            case EPIPE: throw .outputClosed
            default: throw .outputFailed(reason: SystemError.text(errno))
            }
        }
    }
}
