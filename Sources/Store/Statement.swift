import CSQLite

/// A compiled statement of a `Database`, confined to the same thread.
///
/// Values are bound to its `?` places, numbered from 1; then `run` does it, or `step` goes through its rows. Columns are
/// numbered from 0 and may be read while `step` has returned true.
public final class Statement: @unchecked Sendable {
    private let handle: OpaquePointer
    private let database: Database

    init(_ handle: OpaquePointer, of database: Database) {
        self.handle = handle
        self.database = database
    }

    deinit { sqlite3_finalize(handle) }

    // MARK: Values

    /// Binds a whole number; nil is NULL.
    public func bind(_ index: Int, _ value: Int64?) {
        guard let value else { return bindNull(index) }
        check(sqlite3_bind_int64(handle, Int32(index), value), index)
    }

    /// Binds a byte string; nil is NULL, an empty one is not.
    public func bind(_ index: Int, _ value: [UInt8]?) {
        guard let value else { return bindNull(index) }
        guard !value.isEmpty else { return check(sqlite3_bind_zeroblob(handle, Int32(index), 0), index) }
        let result = value.withUnsafeBytes {
            sqlite3_bind_blob64(handle, Int32(index), $0.baseAddress, UInt64($0.count), Statement.copied)
        }
        check(result, index)
    }

    /// Binds a text; nil is NULL.
    public func bind(_ index: Int, _ value: String?) {
        guard var value else { return bindNull(index) }
        let result = value.withUTF8 { text in
            // An empty buffer may have no address, which SQLite would take for NULL.
            text.withMemoryRebound(to: CChar.self) { text in
                sqlite3_bind_text64(
                    handle, Int32(index), text.baseAddress ?? Statement.emptyText, UInt64(text.count), Statement.copied,
                    UInt8(SQLITE_UTF8))
            }
        }
        check(result, index)
    }

    /// Binds NULL.
    public func bindNull(_ index: Int) {
        check(sqlite3_bind_null(handle, Int32(index)), index)
    }

    // SQLITE_TRANSIENT, a macro that Swift cannot import: SQLite makes its own copy before the call returns.
    private static let copied = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
    private nonisolated(unsafe) static let emptyText = {
        let text = UnsafeMutablePointer<CChar>.allocate(capacity: 1)
        text.initialize(to: 0)
        return UnsafePointer(text)
    }()

    private func check(_ result: Int32, _ index: Int) {
        precondition(result == SQLITE_OK, "value \(index) of a statement: \(String(cString: sqlite3_errstr(result)))")
    }

    // MARK: Running

    /// Goes to the next row; false when there is none. After an error the statement is ready to run anew.
    public func step() throws(StoreError) -> Bool {
        let result = sqlite3_step(handle)
        switch result {
        case SQLITE_ROW: return true
        case SQLITE_DONE: return false
        default:
            let error = database.failure(result)
            sqlite3_reset(handle)
            throw error
        }
    }

    /// Runs the statement to its end and makes it ready to run anew. Rows are passed over.
    public func run() throws(StoreError) {
        while try step() {}
        reset()
    }

    /// Makes the statement ready to run anew. Bound values stay. A statement that is left at a row keeps the database from
    /// moving its log.
    public func reset() {
        // What it returns is the error of the last step, which has been thrown.
        sqlite3_reset(handle)
    }

    // MARK: Columns

    /// How many columns a row has.
    public var columnCount: Int { Int(sqlite3_column_count(handle)) }

    /// The whole number in a column; 0 for NULL.
    public func integer(_ column: Int) -> Int64 { sqlite3_column_int64(handle, checked(column)) }

    /// The byte string in a column; empty for NULL.
    public func bytes(_ column: Int) -> [UInt8] {
        let column = checked(column)
        // The order matters: the length is that of the representation which the first call has made.
        guard let start = sqlite3_column_blob(handle, column) else { return [] }
        return Array(UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(handle, column))))
    }

    /// The byte string in a column where SQLite has it; the buffer is valid while `body` runs.
    public func withBytes<Value>(_ column: Int, _ body: (UnsafeRawBufferPointer) -> Value) -> Value {
        let column = checked(column)
        let start = sqlite3_column_blob(handle, column)
        return body(
            UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : Int(sqlite3_column_bytes(handle, column))))
    }

    /// The text in a column; empty for NULL.
    public func text(_ column: Int) -> String {
        let column = checked(column)
        guard let start = sqlite3_column_text(handle, column) else { return "" }
        let count = Int(sqlite3_column_bytes(handle, column))
        return String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
    }

    /// Whether a column is NULL.
    public func isNull(_ column: Int) -> Bool { sqlite3_column_type(handle, checked(column)) == SQLITE_NULL }

    private func checked(_ column: Int) -> Int32 {
        precondition(column >= 0 && column < columnCount, "a row of \(columnCount) columns has no column \(column)")
        return Int32(column)
    }
}
