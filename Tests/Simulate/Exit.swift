import Glibc

/// Ends the program; what was printed is written out.
func leave(_ code: Int32) -> Never { exit(code) }

/// Prints a line at once, also where the output is a file that somebody watches.
func say(_ line: String) {
    print(line)
    fflush(nil)
}

/// Writes lines to a file; false where that fails.
func write(_ lines: [String], to path: String) -> Bool {
    guard let file = fopen(path, "w") else { return false }
    var isWritten = true
    for line in lines where fputs(line + "\n", file) < 0 { isWritten = false }
    return fclose(file) == 0 && isWritten
}
