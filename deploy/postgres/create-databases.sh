#!/bin/sh
# Creates a database and a role for each service and sets its password. No role can connect to another service's
# database. /run/secrets/SERVICE contains the password of a service. The services are the arguments, or else all files
# of that folder. PGHOST, PGUSER and PGPASSWORD (or /run/secrets/postgres) name the server and the user, who needs to be
# a superuser or to have CREATEROLE and CREATEDB.
set -eu
export PGPASSWORD="${PGPASSWORD:-$(cat /run/secrets/postgres)}"
[ $# -gt 0 ] || set -- $(ls /run/secrets | grep -vx postgres)
[ $# -gt 0 ] || { echo '! /run/secrets has no passwords of services' >&2; exit 1; }
for service in "$@"; do
    password=$(cat "/run/secrets/$service")
    [ -n "$password" ] || { echo "! /run/secrets/$service is empty" >&2; exit 1; }
    psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --dbname postgres \
        --set name="$service" --set password="$password" <<'SQL'
-- Do not log failed statements, which contain a password. The lock: PostgreSQL rejects concurrent changes of roles.
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
