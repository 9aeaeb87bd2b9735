import CLinux
import Glibc
import Node

/// The terminal in front of a person, while every key goes to a program elsewhere.
final class RawTerminal {
    private var before = termios()

    /// Nil where standard input is no terminal.
    init?() {
        guard tcgetattr(0, &before) == 0 else { return nil }
        var raw = before
        cfmakeraw(&raw)
        tcsetattr(0, TCSADRAIN, &raw)
    }

    /// As it was.
    func restore() { tcsetattr(0, TCSADRAIN, &before) }

    /// Rows and columns; 24 and 80 where the terminal does not say.
    static var window: (rows: UInt16, columns: UInt16) {
        var size = winsize()
        guard ioctl(0, UInt(TIOCGWINSZ), &size) == 0, size.ws_row > 0, size.ws_col > 0 else { return (24, 80) }
        return (size.ws_row, size.ws_col)
    }
}
