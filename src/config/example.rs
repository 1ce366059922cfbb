//! The example file, which `config example` prints and a test reads.

pub const EXAMPLE: &str = r#"# aegis-updates. Every key can also be an environment variable: AEGIS_UPDATES_LISTEN__API=…
# What is commented out shows its default.

[node]
name = "node-1"
# zone = "a"
# data_dir = "/var/lib/aegis-updates"
# control_socket = "/run/aegis-updates/control.sock"

[cluster]                           # read by `cluster init` only
# name = "aegis"
# quorum_loss_grace = "10s"
url_allow = ["https://releases.example.com/"]
# max_voters = 5

[listen]
# api = "127.0.0.1:7460"
# members = "127.0.0.1:7461"
# probes = "127.0.0.1:7462"
# agent_check = "127.0.0.1:7463"
# members_advertised = "node-1.example.com:7461"
# api_advertised = "https://node-1.example.com:7460"
# insecure_plaintext = false

# [tls]                             # needed for an API listener beyond loopback
# certificate = "/etc/aegis-updates/api.pem"
# key = "/etc/aegis-updates/api.key"

[raft]
# profile = "lan"                   # or "wan": members in several zones

[timeouts]
# read = "2s"
# write = "2s"

[database]
# adapter = "aegis"                 # or "http", with [database.http]
address = "http://127.0.0.1:9090"
install_path = "/opt/aegis/aegis-server"
arguments = ["--host", "127.0.0.1", "--port", "9090", "--data-dir", "/var/lib/aegis", "--node-id", "node-1"]
# node_id = "node-1"                # absent: the node's name
# user = "aegis"
# working_dir = "/opt/aegis"
# environment_file = "/etc/aegis-updates/database.env"
# credentials_file = "/etc/aegis-updates/database.credentials"
# ca_file = "/etc/aegis/ca.pem"
# log = "/var/log/aegis-updates/database.log"
# timeout = "2s"
# rejoin_evidence = "peers"         # or "self"

# [database.http]
# health = { url = "http://127.0.0.1:9090/health" }
# version_pointer = "/version"
# drain = { url = "http://127.0.0.1:9090/drain", method = "POST" }

[log]
# filter = "info"
# format = "auto"                   # or "text", "json"
"#;
