/// One mounted cgroup hierarchy, from /proc/self/mountinfo (proc(5)).
struct CgroupMount {
    let version: Int
    /// Version 1 only.
    let controllers: [String]
    let root: String
    let point: String

    static func parse(_ text: String) -> [CgroupMount] {
        text.split(separator: "\n").compactMap { line in
            let halves = line.split(separator: " ").map(String.init)
            guard let dash = halves.firstIndex(of: "-"), dash >= 6, halves.count > dash + 3 else { return nil }
            let version: Int
            switch halves[dash + 1] {
            case "cgroup": version = 1
            case "cgroup2": version = 2
            default: return nil
            }
            let options = halves[dash + 3].split(separator: ",").map(String.init)
            return CgroupMount(version: version, controllers: options, root: halves[3], point: halves[4])
        }
    }

    /// Where the group with this path from /proc/self/cgroup is found; in a container the mount shows only a part.
    func directory(of path: String) -> String {
        let below: Substring
        if root != "/" && path.hasPrefix(root) { below = path.dropFirst(root.count) } else { below = path[...] }
        return below == "/" || below.isEmpty ? point : point + below
    }
}
