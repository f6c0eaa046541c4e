-- A large installation, made where it will be: namespaces, repositories and pulls are as uneven as in life. The first
-- organization owns thousands of repositories and has two thousand members, the first repository has ten thousand tags
-- and a twentieth of the log, which lies in the order of time. Each statement has its name in front; :words is the
-- number of rows in the table `word`.

-- make: users
INSERT INTO account (id, uuid, kind, name, email, enabled, created_at, tag_expiration_s, invoice_email, verified,
                     superuser, failed_logins)
SELECT i, gen_random_uuid()::text, 'user', word || i, word || i || '@example.com', true,
       now() - interval '1 day' * (i % 700), 1209600, false, true, false, 0
FROM generate_series(1, :users) AS i JOIN word ON n = 1 + i % :words;

-- make: organizations
INSERT INTO account (id, uuid, kind, name, email, enabled, created_at, tag_expiration_s, invoice_email, verified,
                     superuser, failed_logins)
SELECT :users + i, gen_random_uuid()::text, 'organization', word || '-org-' || i, NULL, true,
       now() - interval '1 day' * (i % 700), 1209600, false, false, false, 0
FROM generate_series(1, :organizations) AS i JOIN word ON n = 1 + i % :words;

-- make: robots
INSERT INTO account (id, uuid, kind, name, enabled, created_at, tag_expiration_s, invoice_email, verified,
                     superuser, failed_logins, owner_id, description)
SELECT :users + :organizations + i, gen_random_uuid()::text, 'robot', owner.name || '+' || word || i, true, now(),
       1209600, false, false, false, 0, owner.id, ''
FROM generate_series(1, :robots) AS i JOIN word ON n = 1 + i % :words
JOIN account AS owner ON owner.id = :users + 1 + floor(:organizations * power(i::float / (:robots + 1), 2))::int;

-- make: teams
INSERT INTO team (id, organization_id, name, role, description)
SELECT (o - 1) * 5 + t, :users + o, (ARRAY['owners', 'creators', 'developers', 'operators', 'readers'])[t],
       (ARRAY['admin', 'creator', 'member', 'member', 'member'])[t], ''
FROM generate_series(1, :organizations) AS o, generate_series(1, 5) AS t;

-- make: team members
INSERT INTO team_member (team_id, account_id)
SELECT DISTINCT (o - 1) * 5 + CASE WHEN m = 1 THEN 1 ELSE 1 + (m * 7 + o) % 5 END,
       1 + (o * 37 + m * 101) % :users
FROM generate_series(1, :organizations) AS o,
     generate_series(1, CASE WHEN o = 1 THEN 2000 ELSE 10 + o % 90 END) AS m;

-- make: repositories
INSERT INTO repository (id, namespace_id, name, is_public, description, state, trust_enabled, status_token,
                        created_at)
SELECT i, CASE WHEN i % 5 < 3 THEN :users + 1 + floor(:organizations * power(random(), 3))::int
               ELSE 1 + floor(:users * power(random(), 2))::int END,
       a.word || '-' || b.word || '-' || i, i % 4 = 0,
       CASE WHEN i % 3 = 0 THEN '' ELSE 'The ' || b.word || ' ' || c.word || ' of our ' || d.word || ' ' || a.word
            || ', built every night and deployed with ' || e.word || ' behind the ' || f.word END,
       'NORMAL', false, gen_random_uuid()::text, now() - interval '1 hour' * (i % 17000)
FROM generate_series(1, :repositories) AS i
JOIN word AS a ON a.n = 1 + (i * 7919) % :words JOIN word AS b ON b.n = 1 + (i::bigint * 104729 / 13) % :words
JOIN word AS c ON c.n = 1 + (i * 31) % :words JOIN word AS d ON d.n = 1 + (i * 17) % :words
JOIN word AS e ON e.n = 1 + (i * 5) % :words JOIN word AS f ON f.n = 1 + (i * 3) % :words;

-- make: permissions of creators
INSERT INTO permission (repository_id, account_id, role)
SELECT repository.id, 1 + floor(:users * random())::int, 'admin'
FROM repository WHERE namespace_id > :users;

-- make: permissions of others
INSERT INTO permission (repository_id, account_id, role)
SELECT id, 1 + floor(:users * random())::int, (ARRAY['read', 'write'])[1 + id % 2]
FROM repository WHERE id % 2 = 0 ON CONFLICT DO NOTHING;

-- make: permissions of teams
INSERT INTO permission (repository_id, team_id, role)
SELECT id, (namespace_id - :users - 1) * 5 + 3 + id % 3, (ARRAY['read', 'write'])[1 + id % 2]
FROM repository WHERE namespace_id > :users;

-- make: stars
INSERT INTO star (account_id, repository_id)
SELECT 1 + floor(:users * random())::int, id FROM repository WHERE is_public ON CONFLICT DO NOTHING;

-- make: blobs
INSERT INTO blob (id, digest, size, path, created_at, loose)
SELECT i, 'sha256:' || encode(sha256(convert_to('blob ' || i, 'utf8')), 'hex'), 1000000 + i, 'blobs/' || i, now(), false
FROM generate_series(1, :repositories) AS i;

-- make: blobs of repositories
INSERT INTO repository_blob (repository_id, blob_id, linked_at, settled)
SELECT id, id, now() - interval '2 days', true FROM repository;

-- make: blobs of namespaces
INSERT INTO namespace_blob (namespace_id, blob_id, size)
SELECT namespace_id, repository.id, size FROM repository JOIN blob ON blob.id = repository.id;

-- make: usages of namespaces
INSERT INTO namespace_usage (namespace_id, size)
SELECT namespace_id, sum(size) FROM namespace_blob GROUP BY namespace_id;

-- make: manifests
INSERT INTO manifest (id, repository_id, digest, media_type, content, size, image_size, is_index, created_at,
                      touched_at, settled)
SELECT (repository.id - 1) * 2 + m, repository.id, 'sha256:' || encode(sha256(content), 'hex'),
       'application/vnd.oci.image.manifest.v1+json', content, length(content), size, false, now(),
       now() - interval '2 days', true
FROM repository JOIN blob ON blob.id = repository.id, generate_series(1, 2) AS m,
     LATERAL (SELECT convert_to('{"schemaVersion": 2, "n": ' || (repository.id * 2 + m) || ', "layers": [{"mediaType": '
         '"application/vnd.oci.image.layer.v1.tar+gzip", "size": ' || size || ', "digest": "' || digest
         || '"}], "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "size": ' || size
         || ', "digest": "' || digest || '"}}', 'utf8') AS content) AS made;

-- make: blobs of manifests
INSERT INTO manifest_blob (manifest_id, blob_id, repository_id, namespace_id)
SELECT manifest.id, repository_id, repository_id, namespace_id
FROM manifest JOIN repository ON repository.id = repository_id;

-- make: usages of repositories
INSERT INTO repository_usage (repository_id, size)
SELECT repository_id, sum(size) FROM (SELECT DISTINCT repository_id, blob_id FROM manifest_blob) AS needed
JOIN blob ON blob.id = blob_id GROUP BY repository_id;

-- make: tags
INSERT INTO tag (repository_id, name, manifest_id, start_ms, reversion, immutable)
SELECT repository.id, CASE WHEN t = 1 THEN 'latest' ELSE 'v' || t / 10 || '.' || t % 10 END,
       (repository.id - 1) * 2 + 1 + t % 2, extract(epoch FROM now())::bigint * 1000 - t::bigint * 3600000, false, false
FROM repository, generate_series(1, CASE WHEN id = 1 THEN :tags_of_the_first
                                         ELSE :tags / :repositories END) AS t;

-- make: log rows
INSERT INTO log_entry (kind, at, namespace_id, repository_id, performer_id, performer, ip, detail)
SELECT (ARRAY['pull_repo', 'pull_repo', 'pull_repo', 'pull_repo', 'pull_repo', 'push_repo', 'create_tag',
              'move_tag', 'change_repo_permission', 'build_dockerfile'])[1 + i % 10],
       now() - interval '90 days' * power(random(), 2), repository.namespace_id, repository.id, performer.id,
       performer.name, '192.0.2.' || i % 250,
       json_build_object('namespace', account.name, 'repo', repository.name, 'tag', 'v' || i % 10)
FROM (SELECT i, 1 + floor(:repositories * power(random(), 4))::int AS repository_id,
             1 + floor(:users * power(random(), 2))::int AS performer_id
      FROM generate_series(1, :log_rows) AS i) AS event
JOIN repository ON repository.id = event.repository_id
JOIN account AS performer ON performer.id = performer_id
JOIN account ON account.id = repository.namespace_id
ORDER BY 2;

-- make: permissions of robots
INSERT INTO permission (repository_id, account_id, role)
SELECT repository.id, robot.id, 'write'
FROM account AS robot JOIN repository ON namespace_id = robot.owner_id AND repository.id % 40 = robot.id % 40
WHERE robot.kind = 'robot' ON CONFLICT DO NOTHING;

-- make: prototypes
INSERT INTO prototype (uuid, organization_id, delegate_team_id, role)
SELECT gen_random_uuid()::text, organization_id, id, 'read' FROM team WHERE name = 'developers';

-- make: messages
INSERT INTO message (uuid, content, severity, media_type, created_at)
SELECT gen_random_uuid()::text, 'The ' || word || ' is slow today', 'info', 'text/plain', now() FROM word LIMIT 5;

-- make: jobs of builds
INSERT INTO job (id, uuid, kind, queue, namespace_id, state, result, phase, priority, attempts, max_attempts,
                 cancel_requested, log_lines, created_at, queued_at, finished_at)
SELECT i, gen_random_uuid()::text, 'build', 'builds', namespace_id, 'ended', 'successful', 'complete', 0, 1, 3, false, 0,
       now() - interval '1 minute' * i, now() - interval '1 minute' * i, now() - interval '1 minute' * i
FROM generate_series(1, :repositories / 10) AS i JOIN repository ON repository.id = 1 + i % 10;

-- make: builds
INSERT INTO build (uuid, job_id, repository_id, display_name, archive_url, dockerfile_path, context, tags,
                   trigger_metadata, status)
SELECT uuid, id, 1 + id % 10, 'upload', 'https://example.com/a.tgz', '/Dockerfile', '/', '["latest"]', '{}', '{}'
FROM job;

-- make: notifications of users
INSERT INTO user_notification (uuid, account_id, kind, detail, dismissed, created_at)
SELECT gen_random_uuid()::text, 1 + i % :users, 'org_team_invite', '{"org": "an-org"}', false, now()
FROM generate_series(1, :users * 3) AS i;

-- make: counts of the log
INSERT INTO log_count (subject, subject_id, performer, day, kind, number)
SELECT 'repository', repository_id, '', (at AT TIME ZONE 'UTC')::date, kind, count(*) FROM log_entry
WHERE at < now() - interval '10 minutes' GROUP BY repository_id, (at AT TIME ZONE 'UTC')::date, kind;

-- make: counts by namespace
INSERT INTO log_count (subject, subject_id, performer, day, kind, number)
SELECT 'namespace', namespace_id, '', day, kind, sum(number)
FROM log_count JOIN repository ON repository.id = subject_id WHERE subject = 'repository'
GROUP BY namespace_id, day, kind;

-- make: counts of everything
INSERT INTO log_count (subject, subject_id, performer, day, kind, number)
SELECT 'all', 0, '', day, kind, sum(number) FROM log_count WHERE subject = 'repository' GROUP BY day, kind;

-- make: place up to which the log is counted
INSERT INTO round (name, position, due_at)
VALUES ('count the log', extract(epoch FROM now() - interval '10 minutes')::numeric * 1000000, now());
