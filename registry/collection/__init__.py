"""Online garbage collection: what goes, and how it never takes what somebody needs.

Kept is a manifest that a tag names or, within its namespace's `tag_expiration_s`, has named; that was pushed, or told
to a client that pushes, within PUSH_TEMP_TAG_EXPIRATION_SEC; that builds took steps from in the last week; that a kept
index names; or whose subject is kept. Kept is
a repository's link to a blob that one of its manifests needs or that is as young, and a blob that has a link.

Everything else goes in steps, each a transaction over some hundred rows: ended tags (`tags`), repositories that were
deleted (`repositories`), manifests (`manifests`), links and blobs (`blobs`), uploads nobody continues (`uploads`). A
blob's row leaves a `garbage` row with the path of its bytes, which go afterwards, as often as it takes (`objects`).

Candidates are found by marks with partial indexes (see models.tables.content): each step clears the marks that the next
one looks for. Whoever takes away what keeps a row first locks that row or writes to it, and rows that somebody else has
locked are passed over until next time. So several collectors do no harm, pushes win, and foreign keys see to the rest:
a push that refers to a row which is being removed waits for some milliseconds, fails, and is repeated from its start.

`rounds` looks at everything again, slowly, in case a mark was lost or a crash left bytes without a row. `forecast` says
what would go, `reasons` why something does not.
"""
