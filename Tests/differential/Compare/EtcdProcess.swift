import Codec
import Glibc

/// The Go program that holds etcd's nodes: requests and answers are lines of JSON.
final class EtcdProcess {
    private let process: pid_t
    private let stream: UnsafeMutablePointer<FILE>
    private let descriptor: Int32
    private var line: UnsafeMutablePointer<CChar>?
    private var capacity = 0

    /// Starts the program at `path`.
    init(path: String) throws(ComparisonError) {
        var ends: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0 else {
            throw .process("socketpair", errno)
        }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 0)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        posix_spawn_file_actions_addclose(&actions, ends[0])
        posix_spawn_file_actions_addclose(&actions, ends[1])
        var started: pid_t = 0
        var arguments: [UnsafeMutablePointer<CChar>?] = [strdup(path), nil]
        let failure = posix_spawn(&started, path, &actions, nil, &arguments, environ)
        posix_spawn_file_actions_destroy(&actions)
        free(arguments[0])
        close(ends[1])
        guard failure == 0, let opened = fdopen(ends[0], "r") else {
            close(ends[0])
            throw .process("start \(path)", failure)
        }
        process = started
        descriptor = ends[0]
        stream = opened
    }

    deinit {
        // The program ends with its input.
        fclose(stream)
        free(line)
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
    }

    /// Sends one request and waits for its answer.
    func ask(_ request: JSON) throws(ComparisonError) -> JSON {
        var bytes = request.encoded()
        bytes.append(UInt8(ascii: "\n"))
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { throw .process("write to etcd's nodes", errno) }
            sent += count
        }
        let length = getline(&line, &capacity, stream)
        guard length > 0, let line else { throw .process("etcd's nodes are gone after \(request.text)", errno) }
        let text = UnsafeRawBufferPointer(start: line, count: length - 1)
        let answer: JSON
        do throws(CodecError) {
            answer = try JSON.parse(Array(text))
        } catch {
            throw .unreadable("\(error)")
        }
        if let error = answer["error"]?.stringValue { throw .refused(request.text, error) }
        return answer
    }
}
