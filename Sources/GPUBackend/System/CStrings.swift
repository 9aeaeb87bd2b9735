import Glibc

/// Arrays of C strings, as exec wants them, that live as long as this object.
final class CStrings {
    private let strings: [UnsafeMutablePointer<CChar>?]
    private let list: UnsafeMutablePointer<UnsafePointer<CChar>?>

    init(_ texts: [String]) {
        strings = texts.map { strdup($0) }
        list = .allocate(capacity: texts.count + 1)
        for (index, string) in strings.enumerated() { list[index] = string.map { UnsafePointer($0) } }
        list[texts.count] = nil
    }

    deinit {
        for string in strings { free(string) }
        list.deallocate()
    }

    /// NULL-terminated.
    var pointer: UnsafePointer<UnsafePointer<CChar>?> { UnsafePointer(list) }
}
