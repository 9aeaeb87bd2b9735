import GPUBackend

/// How `mpirun` is started on the first host of a gang so that it starts its processes on all of them through
/// `RankAgent`: for Open MPI 4 and 5 (with PRRTE 2 and 3) and for those with Hydra (MPICH, Intel MPI, MVAPICH).
struct MPILaunch {
    let arguments: [String]
    let files: [(path: String, content: String)]
    let variables: [(String, String)]

    /// `mpirun.mpich` and the like, too.
    private static let launchers = ["mpirun", "mpiexec", "prterun"]

    /// - Parameters:
    ///   - folder: of its own, where it may write.
    ///   - interface: by which the hosts reach each other; nil: any.
    init(hosts: [String], slots: Int, program: [String], folder: String, interface: String?) {
        let name = program.first?.split(separator: "/").last?.split(separator: ".").first.map(String.init)
        // Whoever calls it by himself knows how many processes it is to start.
        arguments =
            name.map(Self.launchers.contains) ?? false
            ? program : ["mpirun", "-np", "\(hosts.count * slots)"] + program
        let openHosts = folder + "/swarmlet-mpi-hosts"
        let hydraHosts = folder + "/swarmlet-hydra-hosts"
        files = [
            (openHosts, hosts.map { "\($0) slots=\(slots)\n" }.joined()),
            (hydraHosts, hosts.map { "\($0):\(slots)\n" }.joined()),
        ]
        let agent = GangDoor.agentPath
        var variables = [
            // Open MPI looks the shell of its user up, which may be none for a job: then this one counts.
            ("SHELL", "/bin/sh"),
            ("OMPI_MCA_orte_default_hostfile", openHosts), ("PRTE_MCA_prte_default_hostfile", openHosts),
            ("OMPI_MCA_plm_rsh_agent", agent), ("PRTE_MCA_plm_ssh_agent", agent), ("PRTE_MCA_plm_rsh_agent", agent),
            // Its daemons then let go of the agent once they have started: they outlive a daemon of ours that is replaced.
            ("OMPI_MCA_plm_rsh_no_tree_spawn", "1"), ("PRTE_MCA_plm_ssh_no_tree_spawn", "1"),
            ("PRTE_MCA_plm_rsh_no_tree_spawn", "1"),
            // A job that is root has asked for it, and is root of its sandbox.
            ("OMPI_ALLOW_RUN_AS_ROOT", "1"), ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"),
            ("PRTE_ALLOW_RUN_AS_ROOT", "1"), ("PRTE_ALLOW_RUN_AS_ROOT_CONFIRM", "1"),
            ("HYDRA_LAUNCHER", "rsh"), ("HYDRA_LAUNCHER_EXEC", agent), ("HYDRA_HOST_FILE", hydraHosts),
        ]
        if let interface {
            variables += [
                ("OMPI_MCA_btl_tcp_if_include", interface), ("OMPI_MCA_oob_tcp_if_include", interface),
                ("PRTE_MCA_prte_if_include", interface), ("HYDRA_IFACE", interface),
                // Intel's would look up the name of its host, which the others need not know.
                ("I_MPI_HYDRA_IFACE", interface),
            ]
        }
        self.variables = variables
    }
}
