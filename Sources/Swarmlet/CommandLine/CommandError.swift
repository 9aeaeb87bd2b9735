import Mesh
import Node

/// Everything that can go wrong between a typed command and its result, as the two lines a person reads.
///
/// `code` is stable and part of the interface (docs/cli.md); `message` says what is wrong, `hint` the way out.
enum CommandError: Error {
    case unknownCommand(name: String, nearest: String?)
    case unknownSubcommand(name: String, group: String, nearest: String?)
    case missingSubcommand(of: String)
    case unknownFlag(flag: String, command: String, nearest: String?)
    case missingValue(spelling: String, expectation: String, command: String)
    case unexpectedValue(flag: String, command: String)
    case badValue(flag: String, value: String, expectation: String, command: String)
    case repeatedFlag(flag: String, command: String)
    case missingOperand(what: String, command: String, example: String)
    case extraOperand(value: String, command: String)
    case badOperand(value: String, expectation: String, example: String)
    /// A flag or command of a later version.
    case notYet(what: String, instead: String)
    case conflict(message: String, hint: String)
    case unreadableInput(what: String, reason: String)
    case needsAnswer(question: String, hint: String)
    case declined(what: String)
    case daemonUnreachable(dataDirectory: String, reason: String)
    case daemonNotStarted(reason: String, log: String)
    case connectionLost(reason: String)
    case badAnswer(reason: String)
    /// stdout is closed: nobody reads the result any more.
    case outputClosed
    case outputFailed(reason: String)
    case localFile(path: String, reason: String)
    /// A working directory that cannot travel, or content that is not what it should be.
    case transfer(TransferError)
    /// What the daemon or the mesh refused.
    case refused(APIFailure)
}

extension CommandError {
    var code: String {
        switch self {
        case .unknownCommand, .unknownSubcommand: "usage.unknown_command"
        case .missingSubcommand: "usage.missing_operand"
        case .unknownFlag: "usage.unknown_flag"
        case .missingValue: "usage.missing_value"
        case .unexpectedValue: "usage.unexpected_value"
        case .badValue: "usage.bad_value"
        case .repeatedFlag: "usage.repeated_flag"
        case .missingOperand: "usage.missing_operand"
        case .extraOperand: "usage.extra_operand"
        case .badOperand: "usage.bad_operand"
        case .notYet: "usage.not_yet"
        case .conflict: "usage.conflict"
        case .unreadableInput: "input.unreadable"
        case .needsAnswer: "usage.needs_answer"
        case .declined: "usage.declined"
        case .daemonUnreachable: "daemon.unreachable"
        case .daemonNotStarted: "daemon.not_started"
        case .connectionLost: "daemon.connection_lost"
        case .badAnswer: "daemon.bad_answer"
        case .outputClosed: "output.closed"
        case .outputFailed: "output.failed"
        case .localFile: "local.file"
        case .transfer(let error): error.code
        case .refused(let failure): failure.code
        }
    }

    var message: String {
        switch self {
        case .unknownCommand(let name, _): "unknown command \(name)"
        case .unknownSubcommand(let name, let group, _): "unknown command \(group) \(name)"
        case .missingSubcommand(let group): "\(group) needs COMMAND"
        case .unknownFlag(let flag, _, _): "unknown flag \(flag)"
        case .missingValue(let spelling, _, _): "a value is missing: \(spelling)"
        case .unexpectedValue(let flag, _): "\(flag) takes no value"
        case .badValue(let flag, let value, _, _): "\(flag) cannot be \(Self.quoted(value))"
        case .repeatedFlag(let flag, _): "\(flag) is given twice"
        case .missingOperand(let what, let command, _): "\(command) needs \(what)"
        case .extraOperand(let value, let command): "\(command) does not take \(Self.quoted(value))"
        case .badOperand(let value, let expectation, _): "\(Self.quoted(value)) is not \(expectation)"
        case .notYet(let what, _): "\(what) is not in this version"
        case .conflict(let message, _): message
        case .unreadableInput(let what, let reason): "cannot read \(what): \(reason)"
        case .needsAnswer(let question, _): "this needs an answer, and there is no terminal: \(question)"
        case .declined(let what): "\(what): nothing was changed"
        case .daemonUnreachable(let directory, let reason): "no swarmlet runs here (\(directory)): \(reason)"
        case .daemonNotStarted(let reason, _): "the daemon did not start: \(reason)"
        case .connectionLost(let reason): "the connection to the daemon was lost: \(reason)"
        case .badAnswer(let reason): "the daemon's answer was not understood: \(reason)"
        case .outputClosed: "the output was closed"
        case .outputFailed(let reason): "the output cannot be written: \(reason)"
        case .localFile(let path, let reason): "\(path): \(reason)"
        case .transfer(let error): error.message
        case .refused(let failure): failure.message
        }
    }

    var hint: String {
        switch self {
        case .unknownCommand(_, let nearest): Self.didYouMean(nearest) + "All commands: swarmlet help"
        case .unknownSubcommand(_, let group, let nearest):
            Self.didYouMean(nearest) + "What there is: swarmlet \(group) --help"
        case .missingSubcommand(let group): "what there is: swarmlet \(group) --help"
        case .unknownFlag(_, let command, let nearest):
            Self.didYouMean(nearest) + "All flags: swarmlet \(command) --help"
        case .missingValue(_, let expectation, let command), .badValue(_, _, let expectation, let command):
            "expected \(expectation). All flags: swarmlet \(command) --help"
        case .unexpectedValue(_, let command), .repeatedFlag(_, let command): "see: swarmlet \(command) --help"
        case .missingOperand(_, _, let example): "for example: \(example)"
        case .extraOperand(_, let command): "see: swarmlet \(command) --help"
        case .badOperand(_, _, let example): "for example: \(example)"
        case .notYet(_, let instead): instead
        case .conflict(_, let hint), .needsAnswer(_, let hint): hint
        case .unreadableInput: "check the name and its permissions, then try again"
        case .declined: "answer y to go on"
        case .daemonUnreachable: "start a mesh: swarmlet up. Join one: swarmlet join -"
        case .daemonNotStarted(_, let log): "see why: cat \(log)"
        case .connectionLost: "is it still there? swarmlet doctor. Start it again: swarmlet up"
        case .badAnswer: "are both of one version? swarmlet version"
        case .outputClosed, .outputFailed: "is the disk full, or the reader gone?"
        case .localFile: "check the path and its permissions, then try again"
        case .transfer(let error): error.hint
        case .refused(let failure): failure.hint
        }
    }

    var exitCode: Int32 {
        switch self {
        case .unknownCommand, .unknownSubcommand, .missingSubcommand, .unknownFlag, .missingValue, .unexpectedValue,
            .badValue, .repeatedFlag, .missingOperand,
            .extraOperand, .badOperand, .notYet, .conflict:
            ExitCode.usage
        case .outputClosed: ExitCode.signalled(13)
        case .refused(let failure): failure.exitCode
        default: ExitCode.swarmlet
        }
    }

    private static func didYouMean(_ nearest: String?) -> String { nearest.map { "did you mean \($0)? " } ?? "" }

    /// Typed text inside a sentence: quoted only where its ends would otherwise be unclear.
    private static func quoted(_ text: String) -> String {
        text.isEmpty || text.utf8.contains(32) ? "'\(text)'" : text
    }
}
