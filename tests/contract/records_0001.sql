-- The records of Fraisier 0.1.0: made by that version, and dumped.
BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE audit (
	id VARCHAR(40) NOT NULL, 
	at BIGINT NOT NULL, 
	actor VARCHAR(255) NOT NULL, 
	action VARCHAR(64) NOT NULL, 
	subject VARCHAR(255) NOT NULL, 
	reason TEXT NOT NULL, 
	CONSTRAINT pk_audit PRIMARY KEY (id)
);
INSERT INTO "audit" VALUES('aud_01m84kx0ah49cse7y45q4nj03c',1795451421009528,'me','unlock','dep_01m84kx0a900kvs0fxdjv5rxc3','looked at it');
INSERT INTO "audit" VALUES('aud_01m84kx0amz5q6b733yqy5wgnw',1795451421012585,'tok_1','cancel','dep_01m84kx0aj5m5d5cw93q25nbwd','');
INSERT INTO "audit" VALUES('aud_01m84kx0b2sk0czqct1xjssw9e',1795451421026678,'me','token.create','tok_01m84kx0b29vhpw3g5kvv9xcd8','ci (deploy)');
CREATE TABLE deployment_hosts (
	deployment_id VARCHAR(40) NOT NULL, 
	host VARCHAR(255) NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	release VARCHAR(64), 
	previous VARCHAR(64), 
	error JSON, 
	CONSTRAINT pk_deployment_hosts PRIMARY KEY (deployment_id, host), 
	CONSTRAINT fk_deployment_hosts_deployment_id FOREIGN KEY(deployment_id) REFERENCES deployments (id)
);
INSERT INTO "deployment_hosts" VALUES('dep_01m84kx09v8g1hdp7yej76xc1q','web-1','changed','r1',NULL,'null');
INSERT INTO "deployment_hosts" VALUES('dep_01m84kx09v8g1hdp7yej76xc1q','web-2','failed',NULL,NULL,'{"code": "health_check_failed", "message": "HTTP 500"}');
CREATE TABLE deployments (
	id VARCHAR(40) NOT NULL, 
	target_id VARCHAR(40) NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	reason TEXT NOT NULL, 
	version VARCHAR(255) NOT NULL, 
	requested_version VARCHAR(255), 
	strategy VARCHAR(16) NOT NULL, 
	triggered_by VARCHAR(255) NOT NULL, 
	trace_id VARCHAR(40) NOT NULL, 
	target JSON NOT NULL, 
	options JSON NOT NULL, 
	owner JSON, 
	last_sequence INTEGER NOT NULL, 
	created_at BIGINT NOT NULL, 
	started_at BIGINT, 
	completed_at BIGINT, 
	cancel_requested_at BIGINT, 
	cancel_requested_by VARCHAR(255), 
	idempotency_key VARCHAR(255), 
	fingerprint VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_deployments PRIMARY KEY (id), 
	CONSTRAINT uq_deployments_triggered_by_idempotency_key UNIQUE (triggered_by, idempotency_key), 
	CONSTRAINT fk_deployments_target_id FOREIGN KEY(target_id) REFERENCES targets (id)
);
INSERT INTO "deployments" VALUES('dep_01m84kx09v8g1hdp7yej76xc1q','tgt_01m84kx09vjbszam3jw6qygaan','deploy','success','','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','main','rolling','someone','trace_01m84kx09va16tkxewpsrwzr5c','{"fraise": "api", "environment": "production", "type": "api", "provider": "bare_metal", "repository": "/git/api.git", "branch": "main", "strategy": "rolling", "strategy_config": {"max_parallel": 1, "min_healthy_time": null, "healthy_deadline": 60, "progress_deadline": 600}, "hosts": [{"name": "web-1", "address": "web-1", "port": 22, "username": null, "ssh_key_path": null, "known_hosts": null, "python": "/usr/bin/python3", "connection": "ssh"}, {"name": "web-2", "address": "web-2", "port": 22, "username": null, "ssh_key_path": null, "known_hosts": null, "python": "/usr/bin/python3", "connection": "ssh"}], "service": {"health_check": {"type": "systemd"}}, "secrets": {}, "inventory": null, "become": true, "auto_rollback": true, "on_busy": "queue", "region": "default"}','{}','{"machine": "00000000000000000000000000000000", "boot": "00000000-0000-0000-0000-000000000000", "pid": 4919, "start": "2399244"}',5,1795451420988337,1795451420993635,1795451420999384,NULL,NULL,'k-1','ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff');
INSERT INTO "deployments" VALUES('dep_01m84kx0a900kvs0fxdjv5rxc3','tgt_01m84kx09vjbszam3jw6qygaan','deploy','rollback_failed','web-2: it was not restored','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','main','rolling','someone','trace_01m84kx0a91e93za66m4ddys37','{"fraise": "api", "environment": "production", "type": "api", "provider": "bare_metal", "repository": "/git/api.git", "branch": "main", "strategy": "rolling", "strategy_config": {"max_parallel": 1, "min_healthy_time": null, "healthy_deadline": 60, "progress_deadline": 600}, "hosts": [{"name": "web-1", "address": "web-1", "port": 22, "username": null, "ssh_key_path": null, "known_hosts": null, "python": "/usr/bin/python3", "connection": "ssh"}, {"name": "web-2", "address": "web-2", "port": 22, "username": null, "ssh_key_path": null, "known_hosts": null, "python": "/usr/bin/python3", "connection": "ssh"}], "service": {"health_check": {"type": "systemd"}}, "secrets": {}, "inventory": null, "become": true, "auto_rollback": true, "on_busy": "queue", "region": "default"}','{}','{"machine": "00000000000000000000000000000000", "boot": "00000000-0000-0000-0000-000000000000", "pid": 4919, "start": "2399244"}',4,1795451421001167,1795451421004277,1795451421007888,NULL,NULL,NULL,'');
INSERT INTO "deployments" VALUES('dep_01m84kx0aj5m5d5cw93q25nbwd','tgt_01m84kx09vjbszam3jw6qygaan','rollback','cancelled','cancelled by tok_1 before it began','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','main','rolling','someone','trace_01m84kx0ajp39d7pdh7aw60yj9','{"fraise": "api", "environment": "production", "type": "api", "provider": "bare_metal", "repository": "/git/api.git", "branch": "main", "strategy": "rolling", "strategy_config": {"max_parallel": 1, "min_healthy_time": null, "healthy_deadline": 60, "progress_deadline": 600}, "hosts": [{"name": "web-1", "address": "web-1", "port": 22, "username": null, "ssh_key_path": null, "known_hosts": null, "python": "/usr/bin/python3", "connection": "ssh"}, {"name": "web-2", "address": "web-2", "port": 22, "username": null, "ssh_key_path": null, "known_hosts": null, "python": "/usr/bin/python3", "connection": "ssh"}], "service": {"health_check": {"type": "systemd"}}, "secrets": {}, "inventory": null, "become": true, "auto_rollback": true, "on_busy": "queue", "region": "default"}','{"dry_run": false}','{"machine": "00000000000000000000000000000000", "boot": "00000000-0000-0000-0000-000000000000", "pid": 4919, "start": "2399244"}',3,1795451421010818,NULL,1795451421012732,1795451421012223,'tok_1',NULL,'');
INSERT INTO "deployments" VALUES('dep_01m84kx0apcha9pf4g0h61s2e6','tgt_01m84kx0anks6x606rmdmrb6ar','deploy','interrupted','its process died','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','main','rolling','someone','trace_01m84kx0ap9tc1m8yvy2dy2fm9','{"fraise": "api", "environment": "staging", "type": "api", "provider": "bare_metal", "repository": "/git/api.git", "branch": "main", "strategy": "rolling", "strategy_config": {"max_parallel": 1, "min_healthy_time": null, "healthy_deadline": 60, "progress_deadline": 600}, "hosts": [{"name": "web-1", "address": "web-1", "port": 22, "username": null, "ssh_key_path": null, "known_hosts": null, "python": "/usr/bin/python3", "connection": "ssh"}, {"name": "web-2", "address": "web-2", "port": 22, "username": null, "ssh_key_path": null, "known_hosts": null, "python": "/usr/bin/python3", "connection": "ssh"}], "service": {"health_check": {"type": "systemd"}}, "secrets": {}, "inventory": null, "become": true, "auto_rollback": true, "on_busy": "queue", "region": "default"}','{}','{"machine": "00000000000000000000000000000000", "boot": "00000000-0000-0000-0000-000000000000", "pid": 4919, "start": "2399244"}',4,1795451421014232,1795451421018286,1795451421021041,NULL,NULL,NULL,'');
INSERT INTO "deployments" VALUES('dep_01m84kx0avssryw9yrbxqn355k','tgt_01m84kx0anks6x606rmdmrb6ar','deploy','pending','','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','main','rolling','someone','trace_01m84kx0avwd7t63687akbyfzs','{"fraise": "api", "environment": "staging", "type": "api", "provider": "bare_metal", "repository": "/git/api.git", "branch": "main", "strategy": "rolling", "strategy_config": {"max_parallel": 1, "min_healthy_time": null, "healthy_deadline": 60, "progress_deadline": 600}, "hosts": [{"name": "web-1", "address": "web-1", "port": 22, "username": null, "ssh_key_path": null, "known_hosts": null, "python": "/usr/bin/python3", "connection": "ssh"}, {"name": "web-2", "address": "web-2", "port": 22, "username": null, "ssh_key_path": null, "known_hosts": null, "python": "/usr/bin/python3", "connection": "ssh"}], "service": {"health_check": {"type": "systemd"}}, "secrets": {}, "inventory": null, "become": true, "auto_rollback": true, "on_busy": "queue", "region": "default"}','{}',NULL,1,1795451421019700,NULL,NULL,NULL,NULL,NULL,'');
INSERT INTO "deployments" VALUES('dep_01m84kx0aypfv1mjtwejhg21hn','tgt_01m84kx0aygfwwpxyz04hhhtq5','deploy','in_progress','','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','main','rolling','someone','trace_01m84kx0ayv160tmpe8nx5g38p','{"fraise": "api", "environment": "development", "type": "api", "provider": "bare_metal", "repository": "/git/api.git", "branch": "main", "strategy": "rolling", "strategy_config": {"max_parallel": 1, "min_healthy_time": null, "healthy_deadline": 60, "progress_deadline": 600}, "hosts": [{"name": "web-1", "address": "web-1", "port": 22, "username": null, "ssh_key_path": null, "known_hosts": null, "python": "/usr/bin/python3", "connection": "ssh"}, {"name": "web-2", "address": "web-2", "port": 22, "username": null, "ssh_key_path": null, "known_hosts": null, "python": "/usr/bin/python3", "connection": "ssh"}], "service": {"health_check": {"type": "systemd"}}, "secrets": {}, "inventory": null, "become": true, "auto_rollback": true, "on_busy": "queue", "region": "default"}','{}','{"machine": "00000000000000000000000000000000", "boot": "00000000-0000-0000-0000-000000000000", "pid": 4919, "start": "2399244"}',2,1795451421022432,1795451421025107,NULL,NULL,NULL,NULL,'');
CREATE TABLE events (
	deployment_id VARCHAR(40) NOT NULL, 
	sequence INTEGER NOT NULL, 
	id VARCHAR(40) NOT NULL, 
	type VARCHAR(64) NOT NULL, 
	at BIGINT NOT NULL, 
	host VARCHAR(255), 
	data JSON NOT NULL, 
	CONSTRAINT pk_events PRIMARY KEY (deployment_id, sequence), 
	CONSTRAINT uq_events_id UNIQUE (id), 
	CONSTRAINT fk_events_deployment_id FOREIGN KEY(deployment_id) REFERENCES deployments (id)
);
INSERT INTO "events" VALUES('dep_01m84kx09v8g1hdp7yej76xc1q',1,'evt_01m84kx09xb78acpm43ee7s5zr','deployment.queued',1795451420989644,NULL,'{"version": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "requested": "main", "strategy": "rolling"}');
INSERT INTO "events" VALUES('dep_01m84kx09v8g1hdp7yej76xc1q',2,'evt_01m84kx0a2gjnvphf5ka2trcbs','deployment.started',1795451420994467,NULL,'{}');
INSERT INTO "events" VALUES('dep_01m84kx09v8g1hdp7yej76xc1q',3,'evt_01m84kx0a6k7abgrxs7qprm2zn','deployment.step',1795451420998192,NULL,'{"verb": "deploy", "hosts": ["web-1", "web-2"]}');
INSERT INTO "events" VALUES('dep_01m84kx09v8g1hdp7yej76xc1q',4,'evt_01m84kx0a6csms63ewdg3hqx5j','log.line',1795451420998192,'web-1','{"text": "gr\u00fc\u00dfe \u0000 from the build \u2028 \ud83c\udf53"}');
INSERT INTO "events" VALUES('dep_01m84kx09v8g1hdp7yej76xc1q',5,'evt_01m84kx0a7xht4f9hjfz4d8n9f','deployment.completed',1795451420999820,NULL,'{"status": "success", "reason": ""}');
INSERT INTO "events" VALUES('dep_01m84kx0a900kvs0fxdjv5rxc3',1,'evt_01m84kx0a9nb134z19tf58p8jg','deployment.queued',1795451421001597,NULL,'{"version": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "requested": "main", "strategy": "rolling"}');
INSERT INTO "events" VALUES('dep_01m84kx0a900kvs0fxdjv5rxc3',2,'evt_01m84kx0acsnrhmtwew9axjf4a','deployment.started',1795451421004708,NULL,'{}');
INSERT INTO "events" VALUES('dep_01m84kx0a900kvs0fxdjv5rxc3',3,'evt_01m84kx0agnswp3cvqecjryqb5','deployment.rollback_failed',1795451421008498,NULL,'{"status": "rollback_failed", "reason": "web-2: it was not restored"}');
INSERT INTO "events" VALUES('dep_01m84kx0a900kvs0fxdjv5rxc3',4,'evt_01m84kx0agp5fgjafkndba79az','deployment.completed',1795451421008498,NULL,'{"status": "rollback_failed", "reason": "web-2: it was not restored"}');
INSERT INTO "events" VALUES('dep_01m84kx0aj5m5d5cw93q25nbwd',1,'evt_01m84kx0akhe7fwnmr44wr91yz','deployment.queued',1795451421011300,NULL,'{"version": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "requested": "main", "strategy": "rolling"}');
INSERT INTO "events" VALUES('dep_01m84kx0aj5m5d5cw93q25nbwd',2,'evt_01m84kx0am2dm1dvz77cqx2wcf','deployment.cancelled',1795451421012947,NULL,'{"status": "cancelled", "reason": "cancelled by tok_1 before it began"}');
INSERT INTO "events" VALUES('dep_01m84kx0aj5m5d5cw93q25nbwd',3,'evt_01m84kx0amae29k7ynhvbkwkch','deployment.completed',1795451421012947,NULL,'{"status": "cancelled", "reason": "cancelled by tok_1 before it began"}');
INSERT INTO "events" VALUES('dep_01m84kx0apcha9pf4g0h61s2e6',1,'evt_01m84kx0apg1vb72gehs1rmpv7','deployment.queued',1795451421014614,NULL,'{"version": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "requested": "main", "strategy": "rolling"}');
INSERT INTO "events" VALUES('dep_01m84kx0apcha9pf4g0h61s2e6',2,'evt_01m84kx0atrd8aj9tmxyyn37aq','deployment.started',1795451421018709,NULL,'{}');
INSERT INTO "events" VALUES('dep_01m84kx0avssryw9yrbxqn355k',1,'evt_01m84kx0awxpaa9p904mkwqp4e','deployment.queued',1795451421020107,NULL,'{"version": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "requested": "main", "strategy": "rolling"}');
INSERT INTO "events" VALUES('dep_01m84kx0apcha9pf4g0h61s2e6',3,'evt_01m84kx0ax0yf4hr8kbpr5tjfk','deployment.interrupted',1795451421021359,NULL,'{"status": "interrupted", "reason": "its process died"}');
INSERT INTO "events" VALUES('dep_01m84kx0apcha9pf4g0h61s2e6',4,'evt_01m84kx0ax32cj29mdf6yser6x','deployment.completed',1795451421021359,NULL,'{"status": "interrupted", "reason": "its process died"}');
INSERT INTO "events" VALUES('dep_01m84kx0aypfv1mjtwejhg21hn',1,'evt_01m84kx0ayefzbtpg9jm5f4fd0','deployment.queued',1795451421022802,NULL,'{"version": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "requested": "main", "strategy": "rolling"}');
INSERT INTO "events" VALUES('dep_01m84kx0aypfv1mjtwejhg21hn',2,'evt_01m84kx0b1krdbwvcyyw5m3den','deployment.started',1795451421025524,NULL,'{}');
CREATE TABLE installation (
	id VARCHAR(40) NOT NULL, 
	CONSTRAINT pk_installation PRIMARY KEY (id)
);
INSERT INTO "installation" VALUES('ins_01m84kx09rh7rqj4eaqjtn7mdp');
CREATE TABLE placements (
	target_id VARCHAR(40) NOT NULL, 
	host VARCHAR(255) NOT NULL, 
	fence BIGINT NOT NULL, 
	release VARCHAR(64), 
	version VARCHAR(255), 
	good BOOLEAN NOT NULL, 
	at BIGINT NOT NULL, 
	CONSTRAINT pk_placements PRIMARY KEY (target_id, host), 
	CONSTRAINT fk_placements_target_id FOREIGN KEY(target_id) REFERENCES targets (id)
);
INSERT INTO "placements" VALUES('tgt_01m84kx09vjbszam3jw6qygaan','web-1',7,'r1','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',1,1795451420995269);
INSERT INTO "placements" VALUES('tgt_01m84kx09vjbszam3jw6qygaan','web-2',9,NULL,NULL,0,1795451420995272);
CREATE TABLE targets (
	id VARCHAR(40) NOT NULL, 
	fraise VARCHAR(64) NOT NULL, 
	environment VARCHAR(64) NOT NULL, 
	held_by VARCHAR(40), 
	CONSTRAINT pk_targets PRIMARY KEY (id), 
	CONSTRAINT uq_targets_fraise_environment UNIQUE (fraise, environment)
);
INSERT INTO "targets" VALUES('tgt_01m84kx09vjbszam3jw6qygaan','api','production',NULL);
INSERT INTO "targets" VALUES('tgt_01m84kx0anks6x606rmdmrb6ar','api','staging','dep_01m84kx0apcha9pf4g0h61s2e6');
INSERT INTO "targets" VALUES('tgt_01m84kx0aygfwwpxyz04hhhtq5','api','development',NULL);
CREATE TABLE tokens (
	id VARCHAR(40) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	scope VARCHAR(16) NOT NULL, 
	created_at BIGINT NOT NULL, 
	created_by VARCHAR(255) NOT NULL, 
	expires_at BIGINT, 
	last_used_at BIGINT, 
	revoked_at BIGINT, 
	CONSTRAINT pk_tokens PRIMARY KEY (id), 
	CONSTRAINT uq_tokens_digest UNIQUE (digest)
);
INSERT INTO "tokens" VALUES('tok_01m84kx0b29vhpw3g5kvv9xcd8','ci','dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd','deploy',1795451421026051,'me',NULL,1795451421027835,NULL);
CREATE INDEX ix_deployments_target_created ON deployments (target_id, created_at);
CREATE INDEX ix_deployments_created_at ON deployments (created_at);
CREATE INDEX ix_deployments_status ON deployments (status);
CREATE UNIQUE INDEX uq_deployments_one_live_per_target ON deployments (target_id) WHERE status = 'in_progress';
COMMIT;
