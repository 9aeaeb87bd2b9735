/// What was typed.
struct Arguments {
    var program: String
    var schedules = 100
    var from: UInt64 = 1
    var seed: UInt64?
    var steps = 120
    var isMixed = false

    init?(_ words: [String]) {
        guard let program = words.first, !program.hasPrefix("-") else { return nil }
        self.program = program
        var rest = words.dropFirst()
        while let word = rest.popFirst() {
            if word == "--mixed" {
                isMixed = true
                continue
            }
            guard let text = rest.popFirst(), let number = UInt64(text), number < 1 << 62 else { return nil }
            switch word {
            case "--schedules": schedules = Int(number)
            case "--from": from = number
            case "--seed": seed = number
            case "--steps": steps = Int(number)
            default: return nil
            }
        }
    }
}
