/// What a plan has to know about the host it is for. Where it comes from is for `HostLayout.probe`.
struct HostLayout: Hashable, Sendable {
    enum Entry: Hashable, Sendable {
        case directory
        /// A file of any kind that is no directory.
        case file
        case link(String)
    }

    /// Of Landlock; 0: none.
    var landlockVersion: Int
    /// What is at each of the paths that plans ask for (`HostLayout.asked`), where there is something.
    var entries: [String: Entry]

    /// The programs of a host and what belongs to them: the root of a job that is kept strictly.
    static let programs = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/nix", "/gnu"]

    /// Settings without which programs do not find their libraries, their time zone or their certificates; nothing in
    /// them is about people or keys.
    static let settings = [
        "alternatives", "ca-certificates", "crypto-policies", "debian_version", "default/locale", "fonts", "gai.conf",
        "host.conf", "inputrc", "java-17-openjdk", "java-21-openjdk", "ld.so.cache", "ld.so.conf", "ld.so.conf.d",
        "locale.alias", "locale.conf", "localtime", "magic", "mime.types", "OpenCL", "openmpi", "os-release", "pki",
        "profile", "protocols", "python3", "R", "redhat-release", "services", "shells", "ssl/certs", "ssl/openssl.cnf",
        "terminfo", "timezone", "vulkan",
    ].map { "/etc/" + $0 }

    /// Where the names of other hosts are looked up, behind the link that `/etc/resolv.conf` may be.
    static let resolvers = [
        "/run/systemd/resolve/resolv.conf", "/run/systemd/resolve/stub-resolv.conf", "/run/resolvconf/resolv.conf",
        "/run/NetworkManager/resolv.conf",
    ]
    static let resolverSettings = ["/etc/resolv.conf", "/etc/hosts"]

    /// Device files that hold nothing of the host.
    static let devices = ["null", "zero", "full", "random", "urandom"].map { "/dev/" + $0 }
    /// For members: their terminal, if they have one, and fast networks between hosts.
    static let memberDevices = ["tty", "infiniband"].map { "/dev/" + $0 }

    static let temporary = ["/tmp", "/var/tmp"]
    static let asked =
        programs + settings + resolvers + resolverSettings + devices + memberDevices + temporary
        + ["/run", "/var/run", "/mnt", "/media"]
}
