import Node
import Tokens

/// Where a token comes from: an operand, a flag, or the environment.
enum TokenSource {
    private static let what = "a token"

    /// The token that an operand names. What is wrong with it is a slip of the command line: exit code 2.
    static func read(_ operand: String) throws(CommandError) -> AccessToken {
        // Whatever is no other form is taken for the token itself, so that it says what is missing at it.
        let text = try SecretLine.read(operand, what: what, beginsWith: "swa1") ?? operand
        return try parse(text, exitCode: ExitCode.usage)
    }

    /// The token that this person goes by where none is named: `SWARMLET_TOKEN_FILE`, `--token`, `SWARMLET_TOKEN`.
    ///
    /// - Parameter flag: what was typed after `--token`.
    static func chosen(flag: String?) throws(CommandError) -> AccessToken? {
        let text: String?
        if let path = Environment.value("SWARMLET_TOKEN_FILE") {
            text = try SecretLine.read("file:" + path, what: what)
        } else if let flag {
            text = try SecretLine.read(flag, what: what, beginsWith: "swa1") ?? flag
        } else {
            text =
                Environment.value("SWARMLET_TOKEN") == nil
                ? nil : try SecretLine.read("env:SWARMLET_TOKEN", what: what)
        }
        guard let text else { return nil }
        return try parse(text, exitCode: ExitCode.swarmlet)
    }

    private static func parse(_ text: String, exitCode: Int32) throws(CommandError) -> AccessToken {
        do throws(TokenError) {
            try Sodium.start()
            return try AccessToken(text: text)
        } catch {
            throw .refused(
                APIFailure(code: error.code, message: error.message, hint: error.hint, exitCode: exitCode))
        }
    }
}
