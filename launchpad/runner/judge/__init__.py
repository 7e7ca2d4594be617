"""What the host accepts of an operator: a closed list, so that what is not known is refused with its path.

Four questions, asked in this order, each pure and each answered by silence or by `Refused`:

    judge_release   the manifest and the text of its files, before any program reads them
    judge_compose   what Compose made of compose.yaml (`docker compose config --format json`)
    judge_site      what Caddy made of site.caddy (`caddy adapt` of that file alone)
    judge_volumes   what its images declare for themselves, as soon as they are on the host

The text comes first because resolving is itself dangerous: `env_file`, `extends` and `include` in Compose, `import` and
`{$NAME}` in Caddy, make root read any file before there is a resolved form to look at.

Every guard is one `if …: raise Refused(…)`, so that a tool can take them out one by one.
"""
