#!/bin/sh
# One database and one role a service, each closed to the others. Creates what is missing and sets the passwords;
# PGHOST, PGUSER and PGPASSWORD (or /run/secrets/postgres) say where and as whom, /run/secrets/SERVICE the passwords.
set -eu
export PGPASSWORD="${PGPASSWORD:-$(cat /run/secrets/postgres)}"
for service in auth templates resumes payments renderer; do
    psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --dbname postgres \
        --set name="$service" --set password="$(cat "/run/secrets/$service")" <<'SQL'
select format('create role %I login', :'name')
where not exists (select from pg_roles where rolname = :'name') \gexec
alter role :"name" password :'password';
select format('create database %I owner %I', :'name', :'name')
where not exists (select from pg_database where datname = :'name') \gexec
revoke all on database :"name" from public;
SQL
done
