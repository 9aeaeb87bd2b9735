import CLinux
import Glibc

/// Takes what a job left from the memory of a device. In a process of its own, because a driver's context, once made, is there
/// for as long as the process is, and because a driver that hangs can be ended with it.
public enum DeviceWipe {
    /// The hidden command `swarmlet wipe-device UUID`.
    public static let word = "wipe-device"

    /// Of a device that hangs: wiping takes a second or two.
    private static let limitMilliseconds: Int32 = 60_000
    private static let textBytes = 1024

    /// Runs the hidden command: 0, or 1 with the reason on stdout.
    public static func run(_ uuid: String) -> Int32 {
        var reason = [CChar](repeating: 0, count: textBytes)
        guard clinux_wipe_device(uuid, &reason, Int32(reason.count)) != 0 else { return 0 }
        print(text(reason))
        return 1
    }

    /// Wipes an NVIDIA device that nobody uses, by `program`, which is this one. Waits; nil, or why it was not done.
    public static func failure(of uuid: String, by program: String) -> String? {
        var answer = [CChar](repeating: 0, count: textBytes)
        let code = clinux_question_program(
            program, word, uuid, &answer, Int32(answer.count), limitMilliseconds)
        switch code {
        case 0: return nil
        case -ETIME: return "the driver does not answer"
        case ..<0: return ErrorText.of(-code)
        default:
            let lines = text(answer).split(separator: "\n")
            return lines.last.map { String($0) } ?? "the driver ended the attempt (exit code \(code))"
        }
    }

    private static func text(_ bytes: [CChar]) -> String {
        String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
