"""A JupyterHub on one machine for a class: local accounts, JupyterLab, one environment for all."""

c = get_config()  # noqa: F821 - JupyterHub defines it

c.JupyterHub.bind_url = "http://127.0.0.1:8000"  # behind a web server that does https
c.Authenticator.admin_users = {"teacher"}
c.Authenticator.allow_existing_users = True
c.Spawner.default_url = "/lab"
# downloads and rendered pictures are kept once for all
c.Spawner.environment = {"D2LHELPERS_HOME": "/srv/d2lhelpers", "OMP_NUM_THREADS": "1"}
