/// Which run of the kernel this is: process numbers and the boot-time clock mean nothing in another one.
struct HostBoot: Hashable {
    let text: String

    static func identity() throws(HostError) -> HostBoot {
        let text = try HostFiles.readText("/proc/sys/kernel/random/boot_id")
        return HostBoot(text: String(text.prefix { $0 != "\n" }))
    }

    /// FNV-1a, 64 bits.
    var hash: UInt64 { text.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01b3 } }
}
