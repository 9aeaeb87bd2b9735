/// What sysfs says of a device on the PCI bus.
enum PCIDevice {
    /// Nil where the machine has one memory for all CPUs, or the kernel does not know.
    static func numaNode(of directory: String) -> UInt32? { text("\(directory)/numa_node").flatMap { UInt32($0) } }

    /// The first line of a file; nil where there is none.
    static func text(_ path: String) -> String? {
        do throws(HostError) {
            let line = try HostFiles.readText(path).prefix { $0 != "\n" }
            return line.isEmpty ? nil : String(line)
        } catch { return nil }
    }
}
