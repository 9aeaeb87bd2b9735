/// Rows under a header, two spaces between columns. In a pipe nothing is ever shortened; an empty cell is `-` everywhere.
struct Table {
    private let header: [String]
    private var rows: [[String]] = []

    init(_ header: [String]) { self.header = header }

    mutating func add(_ cells: [String?]) {
        precondition(cells.count == header.count, "a row has as many cells as the header")
        rows.append(cells.map { $0.map { $0.isEmpty ? "-" : VisibleText.line($0) } ?? "-" })
    }

    /// - Parameter width: of the window; nil in a pipe. Only the last column gives way to it.
    func text(width: Int?) -> String {
        let widths = header.indices.map { column in
            ([header] + rows).map { $0[column].count }.max() ?? 0
        }
        return ([header] + rows).map { line($0, widths: widths, limit: width) + "\n" }.joined()
    }

    private func line(_ cells: [String], widths: [Int], limit: Int?) -> String {
        var text = ""
        for (column, cell) in cells.dropLast().enumerated() {
            text += cell + String(repeating: " ", count: widths[column] - cell.count + 2)
        }
        guard let last = cells.last else { return text }
        guard let limit, text.count + last.count > limit, limit - text.count >= 8 else { return text + last }
        return text + last.prefix(limit - text.count - 3) + "..."
    }
}
