"""What the host accepts from an operator: a closed list. Everything unknown is refused with its path.

Four judges run in this order; each is pure, and returns nothing or raises `Refused`:

    judge_release   the manifest and the text of its files, before any program reads them
    judge_compose   compose.yaml as Compose resolves it (`docker compose config --format json`)
    judge_site      site.caddy as Caddy resolves it (`caddy adapt` of that file alone)
    judge_volumes   the volumes that the images declare, as soon as the images are on the host

The text is judged first because resolving is dangerous: `env_file`, `extends` and `include` in Compose, `import` and
`{$NAME}` in Caddy make root read any file before a resolved form exists.

Every guard is one `if …: raise Refused(…)`, so that scripts/mutate can remove guards one by one.
"""
