import Node

/// `swarmlet self-test`: what a daemon asks of the program that is to take its place.
enum SelfTestCommand {
    static let declaration = Command(
        SelfTest.word, summary: "Say whether this program can do its work on this host",
        examples: [.init("swarmlet self-test", "as an upgrade asks it")], visibility: .hidden, run: run)

    private static func run(_: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        do {
            try terminal.result(try SelfTest.run())
            return ExitCode.success
        } catch let error as CommandError {
            throw error
        } catch {
            // The last line is the reason.
            try terminal.result("\(APIFailure(error).message)\n")
            return ExitCode.swarmlet
        }
    }
}
