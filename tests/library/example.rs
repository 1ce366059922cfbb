{
use aegis_updates::orchestrator::{UpdateOrchestrator, ClusterNode};
// Create orchestrator
let orchestrator = UpdateOrchestrator::new(
"/usr/local/bin/aegis-server",
"/var/lib/aegis/data",
);
// Create update plan
let plan = orchestrator.create_plan(
"0.2.5",
"https://releases.example.com/aegis-server-0.2.5",
"sha256hash...",
vec![
ClusterNode {
node_id: "node-1".into(),
name: "Dashboard".into(),
address: "http://127.0.0.1:9090".into(),
is_leader: true,
},
ClusterNode {
node_id: "node-2".into(),
name: "NexusScribe".into(),
address: "http://127.0.0.1:9091".into(),
is_leader: false,
},
],
)?;
// Execute rolling update
orchestrator.execute_plan(&plan.id).await?;
// Check status
let status = orchestrator.get_plan(&plan.id)?;
}
