#!/bin/sh
# One database and one role a service, each closed to the others: of all services, or of those named. Creates what is
# missing and sets the passwords. PGHOST, PGUSER and PGPASSWORD (or /run/secrets/postgres) say where and as whom,
# /run/secrets/SERVICE the passwords. Who it runs as may be a superuser, or have CREATEROLE and CREATEDB.
set -eu
export PGPASSWORD="${PGPASSWORD:-$(cat /run/secrets/postgres)}"
[ $# -gt 0 ] || set -- auth templates resumes payments renderer
for service in "$@"; do
    password=$(cat "/run/secrets/$service")
    [ -n "$password" ] || { echo "! /run/secrets/$service is empty" >&2; exit 1; }
    psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --dbname postgres \
        --set name="$service" --set password="$password" <<'SQL'
-- A statement that fails is logged, and these hold a password. One at a time: roles cannot be changed by two at once.
select 'set log_min_error_statement = panic' from pg_roles where rolname = current_user and rolsuper \gexec
select pg_advisory_lock(hashtext('create-databases')) \g /dev/null
select format('create role %I login', :'name')
where not exists (select from pg_roles where rolname = :'name') \gexec
alter role :"name" password :'password';
select format('grant %I to %I', :'name', current_user)
where not pg_has_role(current_user, :'name', 'usage') \gexec
select format('create database %I owner %I', :'name', :'name')
where not exists (select from pg_database where datname = :'name') \gexec
revoke all on database :"name" from public;
select 'revoke connect on database postgres, template1 from public'
from pg_roles where rolname = current_user and rolsuper \gexec
SQL
done
