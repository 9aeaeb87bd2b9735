import Glibc

/// The words of the C library for an error number.
enum ErrorText {
    static func of(_ number: Int32) -> String {
        guard let text = strerror(number) else { return "error \(number)" }
        return String(cString: text)
    }
}
